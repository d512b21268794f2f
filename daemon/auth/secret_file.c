/*
 * Reads secrets from files. No other copy of a secret remains in memory, and no error
 * text contains one.
 */
#include "auth/secret_file.h"

#include "auth/source.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

int auth_read_file(const char *path, size_t max, struct buf *out, struct fault *why)
{
	int r;

	buf_init_secret(out, max + FILE_READ_EXTRA);
	r = file_read(path, out);
	if (r)
		fault_set(why, "%s: %s", path, strerror(-r));
	return r ? -1 : 0;
}

int auth_read_line(const char *path, struct auth_secret *ret, struct fault *why)
{
	CLEANUP(buf_fini) struct buf text;
	const char *fault;

	if (auth_read_file(path, AUTH_SECRET_MAX, &text, why))
		return -1;
	fault = auth_answer_line(buf_slice(&text), ret);
	if (fault)
		fault_set(why, "%s: %s", path, fault);
	return fault ? -1 : 0;
}
