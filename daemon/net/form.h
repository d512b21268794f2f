/* Encodes forms (application/x-www-form-urlencoded). */
#ifndef NET_FORM_H
#define NET_FORM_H

#include "protocol/buf.h"

/* Appends `text`, encoded: a blank becomes "+", and everything except letters, digits and "*-._" becomes %XX.
   Room is reserved at once, so that a secret is not left in a moved buffer. 0, -ENOMEM, -EMSGSIZE. */
int form_put_text(struct buf *out, struct slice text);
/* Appends "name=text", with "&" in front unless `out` is empty. The name needs no encoding. */
int form_put(struct buf *out, const char *name, struct slice text);

#endif
