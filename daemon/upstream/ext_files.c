/*
 * Owns the paths of the files and what is remembered of each. Guarantees that a
 * broken file is one line of the log, that no memory keeps what was in one, and
 * that an old secret goes out no more once its file is gone or broken. Must never
 * know what is in a file.
 */
#include "upstream/ext_files.h"

#include "base/errors.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (32u << 10)
/* the file, and a credential of which each byte is escaped */
#define OBJECT_MAX (FILE_MAX + 6 * AUTH_SECRET_MAX + 1024)

int ext_files_init(struct ext_files *f, const char *server, const char *const paths[SESSION_EXTS])
{
	*f = (struct ext_files){.server = server};
	for (int i = 0; i < SESSION_EXTS; i++) {
		if (!paths[i])
			continue;
		f->files[i].path = strdup(paths[i]);
		if (!f->files[i].path) {
			ext_files_fini(f);
			return -ENOMEM;
		}
	}
	return 0;
}

void ext_files_fini(struct ext_files *f)
{
	for (int i = 0; i < SESSION_EXTS; i++)
		free(f->files[i].path);
	if (f->object)
		explicit_bzero(f->object, strlen(f->object));
	free(f->object);
	*f = (struct ext_files){0};
}

int ext_files_secrets(struct ext_files *f, const char *handshake, struct auth *auth,
		      struct mask *mask)
{
	f->auth = auth;
	f->mask = mask;
	return auth_copy(handshake, &f->object);
}

/* Whether the credential goes out with this kind. */
static bool has_credential(const struct ext_files *f, enum session_ext kind)
{
	return kind == SESSION_EXT_HANDSHAKE && f->auth && auth_is_ext(f->auth);
}

/* A server that is down for a week gets ten thousand handshakes: the same fault is logged once. */
static void log_fault(struct ext_files *f, enum session_ext kind, int fault)
{
	static const char *const names[] = {
		[SESSION_EXT_HANDSHAKE] = "handshake", [SESSION_EXT_CONNECT] = "connect",
		[SESSION_EXT_SUBSCRIBE] = "subscribe", [SESSION_EXT_PUBLISH] = "publish",
	};

	if (fault && fault != f->files[kind].fault)
		log_msg(LOG_L_WARNING,
			LOG_FIELDS({"server", slice_of(f->server)},
				   {f->files[kind].path ? "file" : NULL,
				    slice_of(f->files[kind].path)}),
			"the %s goes without its ext: %s", names[kind],
			fault == -EINVAL ? "there is no JSON object where one must be"
					 : strerror(-fault));
	f->files[kind].fault = fault;
}

static void look(const char *path, struct stat *ret)
{
	if (stat(path, ret))
		*ret = (struct stat){0};
}

/* The configured object, or the content of the file. */
static int read_text(struct ext_files *f, enum session_ext kind, struct buf *text)
{
	const char *path = f->files[kind].path;

	if (!path)
		return buf_put_str(text, f->object ? f->object : "{}");
	/* before it is read: what changes meanwhile will be seen to have changed */
	look(path, &f->files[kind].seen);
	return file_read(path, text);
}

/* The object may be a secret: it is wiped here, and an error does not repeat it. */
static int read_whole(struct ext_files *f, enum session_ext kind, struct session *s)
{
	CLEANUP(buf_fini) struct buf text, placed;
	struct slice object;
	int r;

	buf_init_secret(&text, FILE_MAX + FILE_READ_EXTRA);
	buf_init_secret(&placed, OBJECT_MAX);
	r = read_text(f, kind, &text);
	if (!r && has_credential(f, kind))
		r = auth_put_ext(f->auth, buf_slice(&text), &placed);
	object = buf_len(&placed) ? buf_slice(&placed) : buf_slice(&text);
	if (!r)
		r = mask_add_json(f->mask, object);
	return r ? r : session_set_ext(s, kind, object);
}

static void read_one(struct ext_files *f, enum session_ext kind, struct session *s)
{
	int r = read_whole(f, kind, s);

	if (r)
		session_set_ext(s, kind, SLICE_NULL);
	log_fault(f, kind, r);
}

void ext_files_read(struct ext_files *f, struct session *s)
{
	for (int i = 0; i < SESSION_EXTS; i++)
		if (f->files[i].path || has_credential(f, (enum session_ext)i))
			read_one(f, (enum session_ext)i, s);
}

static bool has_changed(const char *path, const struct stat *seen)
{
	struct stat st;

	look(path, &st);
	return !file_same(&st, seen);
}

void ext_files_refresh(struct ext_files *f, struct session *s, uint64_t now)
{
	if (now < f->looked_at + EXT_FILES_PAUSE_MS)
		return;
	f->looked_at = now;
	for (int i = 0; i < SESSION_EXTS; i++)
		if (f->files[i].path && has_changed(f->files[i].path, &f->files[i].seen))
			read_one(f, (enum session_ext)i, s);
}
