/* The body of a form, as application/x-www-form-urlencoded has it. */
#ifndef NET_FORM_H
#define NET_FORM_H

#include "protocol/buf.h"

/* Appends `text`, encoded: all but letters, digits and "*-._" becomes %XX, a blank "+". Room is made
   for all of it at once, for it may be a secret. 0, -ENOMEM, -EMSGSIZE. */
int form_put_text(struct buf *out, struct slice text);
/* Appends "name=text", with "&" in front unless `out` is empty. The name needs no encoding. */
int form_put(struct buf *out, const char *name, struct slice text);

#endif
