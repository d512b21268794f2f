/*
 * Files that hold the `ext` of requests, for secrets that do not belong into the configuration. They are read for
 * each session, and again when they have changed, so that a renewed secret is used. The credential is added where
 * it is sent in the handshake.
 */
#ifndef UPSTREAM_EXT_FILES_H
#define UPSTREAM_EXT_FILES_H

#include "auth/auth.h"
#include "bayeux/session.h"
#include "net/mask.h"

#include <stdint.h>
#include <sys/stat.h>

/* a changed file is seen so many ms later, for looking is a system call */
#define EXT_FILES_PAUSE_MS 1000

struct ext_files {
	const char *server;             /* for the log */
	struct {
		char *path;             /* NULL: none */
		struct stat seen;       /* as it was read; zeroed: it was not there */
		int fault;              /* as logged last */
	} files[SESSION_EXTS];
	uint64_t looked_at;
	char *object;                   /* of the handshake, without a file; or NULL */
	struct auth *auth;              /* whose credential may belong into it; or NULL */
	struct mask *mask;              /* gets every secret that is sent */
};

/* Copies `paths` (NULL: none), nothing else; `server` must stay. Nothing is read yet. 0, -ENOMEM. */
int ext_files_init(struct ext_files *f, const char *server, const char *const paths[SESSION_EXTS]);
/*
 * Due before the first reading. Copies `handshake`, the configured object of the handshake or NULL;
 * `auth`, whose credential goes into it if that is what it is for, or NULL, and `mask` must outlive
 * this. 0, -ENOMEM.
 */
int ext_files_secrets(struct ext_files *f, const char *handshake, struct auth *auth,
		      struct mask *mask);
/* A zeroed one is fine. */
void ext_files_fini(struct ext_files *f);

/* All of them, for a session that begins. What cannot be used is logged, and goes without. */
void ext_files_read(struct ext_files *f, struct session *s);
/* Those that have changed, unless they were looked at just now. */
void ext_files_refresh(struct ext_files *f, struct session *s, uint64_t now);

#endif
