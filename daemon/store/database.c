/*
 * Checks, migrates, reads and writes the database. A transaction is either complete in the file or absent from it,
 * whenever the process or the power ends: SQLite syncs its log before a commit is reported.
 */
#include "store/database.h"

#include "base/errors.h"
#include "base/wiped.h"
#include "store/database_entries.h"
#include "store/database_file.h"
#include "store/record.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "cdBr": the application_id of our files */
#define APPLICATION_ID 0x63644272

#define COMMITS_PER_CHECKPOINT 256

/* The n-th one makes format n of format n - 1. One that was released must not be changed. */
static const char *const migrations[] = {
	"CREATE TABLE server ("
	" name TEXT NOT NULL PRIMARY KEY,"
	/* 64 bits, as a signed number; 0: none */
	" epoch INTEGER NOT NULL,"
	/* no message has a higher one; exact after an orderly stop. JSON numbers have 53 bits */
	" seq INTEGER NOT NULL CHECK (seq BETWEEN 0 AND 9007199254740992)"
	") STRICT",
	"CREATE TABLE session ("
	" server TEXT NOT NULL PRIMARY KEY,"
	/* ms since 1970 */
	" until INTEGER NOT NULL,"
	" snapshot BLOB NOT NULL"
	") STRICT",
	DATABASE_ENTRIES_TABLES,
};
#define FORMAT ((int)(sizeof(migrations) / sizeof(migrations[0])))

static const char settings[] =
	/* before the first access: keeps other processes out, and needs no shared memory */
	"PRAGMA locking_mode = EXCLUSIVE;"
	"PRAGMA temp_store = MEMORY;"
	"PRAGMA trusted_schema = OFF;"
	"PRAGMA cell_size_check = ON;"
	"PRAGMA synchronous = FULL;"
	/* see empty_log() */
	"PRAGMA wal_autocheckpoint = 0;"
	"PRAGMA secure_delete = ON";
static const char read_all[] = "SELECT name, epoch, seq, until, snapshot FROM server LEFT JOIN session"
			       " ON server = name";
static const char write_one[] = "INSERT INTO server (name, epoch, seq) VALUES (?1, ?2, ?3)"
				" ON CONFLICT (name) DO UPDATE SET epoch = ?2, seq = ?3";

static const char write_session_of_one[] = "INSERT INTO session (server, until, snapshot) VALUES (?1, ?2, ?3)"
					   " ON CONFLICT (server) DO UPDATE SET until = ?2, snapshot = ?3";
static const char end_session_of_one[] = "DELETE FROM session WHERE server = ?1";

struct database {
	sqlite3 *sqlite;
	sqlite3_stmt *write, *write_session, *end_session;
	struct database_entries entries;
	unsigned commits;               /* since the last checkpoint */
	char *path;
};

/* The content of the file cannot be used, for the reason in `why`. */
enum { UNUSABLE = 1 };

/* ---- results of SQLite ---- */

static int errno_of(sqlite3 *sqlite, int code)
{
	int system = sqlite3_system_errno(sqlite);

	switch (code & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_BUSY:
		return -EBUSY;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR:      /* tables or columns are missing */
	case SQLITE_MISMATCH:
	case SQLITE_CONSTRAINT:
	case SQLITE_TOOBIG:
		return -EBADMSG;
	default:
		return system ? -system : -EIO;
	}
}

static int sqlite_failed(const struct database *db, int code, struct fault *why)
{
	int error = errno_of(db->sqlite, code), system = sqlite3_system_errno(db->sqlite);
	bool has_cause = (code & 0xff) == SQLITE_IOERR && system;

	if (error == -EBUSY)
		return fault_fail(why, error, "%s: another process has it open; each daemon needs a state "
				  "directory of its own", db->path);
	return fault_fail(why, error, "%s: %s%s%s", db->path, sqlite3_errmsg(db->sqlite), has_cause ? ": " : "",
			  has_cause ? strerror(system) : "");
}

static int check_code(const struct database *db, int code, struct fault *why)
{
	return code ? sqlite_failed(db, code, why) : 0;
}

static int run(struct database *db, const char *sql, struct fault *why)
{
	return check_code(db, sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL), why);
}

static int prepare(struct database *db, const char *sql, struct fault *why, sqlite3_stmt **ret)
{
	int code = sqlite3_prepare_v2(db->sqlite, sql, -1, ret, NULL);

	return code ? sqlite_failed(db, code, why) : 0;
}

/* The first column of the first row, cut to `size`. */
static int ask(struct database *db, const char *sql, struct fault *why, char *ret, size_t size)
{
	sqlite3_stmt *statement;
	int r = prepare(db, sql, why, &statement);

	if (r)
		return r;
	int code = sqlite3_step(statement);
	const unsigned char *text = code == SQLITE_ROW ? sqlite3_column_text(statement, 0) : NULL;
	if (text)
		snprintf(ret, size, "%s", (const char *)text);
	else
		r = sqlite_failed(db, code == SQLITE_ROW ? SQLITE_NOMEM : code, why);
	sqlite3_finalize(statement);
	return r;
}

static int ask_number(struct database *db, const char *sql, struct fault *why, int *ret)
{
	char text[32];
	int r = ask(db, sql, why, text, sizeof(text));

	if (r == 0)
		*ret = atoi(text);
	return r;
}

/* ---- opening ---- */

/* 0, UNUSABLE, or a negative errno. */
static int check(struct database *db, struct fault *why, int *ret_format)
{
	char text[128];
	int id, tables, format;
	int r = ask_number(db, "PRAGMA application_id", why, &id);

	if (r == 0)
		r = ask_number(db, "PRAGMA user_version", why, &format);
	if (r == 0)
		r = ask_number(db, "SELECT count(*) FROM sqlite_schema", why, &tables);
	if (r)
		return r;
	if (id != APPLICATION_ID && (id || format || tables))
		return fault_fail(why, UNUSABLE, "%s is the database of another program", db->path);
	if (format > FORMAT)
		return fault_fail(why, UNUSABLE, "%s was written by a newer version of cometd-bridge, in format "
				  "%d; this version knows formats up to %d", db->path, format, FORMAT);
	r = ask(db, "PRAGMA integrity_check(1)", why, text, sizeof(text));
	if (r == 0 && (strcmp(text, "ok") != 0 || format < 0))
		return fault_fail(why, UNUSABLE, "%s is damaged: %s", db->path, format < 0 ? "wrong format" : text);
	if (r == 0)
		*ret_format = format;
	return r;
}

static int use_wal(struct database *db, struct fault *why)
{
	char mode[16];
	int r = ask(db, "PRAGMA journal_mode = WAL", why, mode, sizeof(mode));

	if (r == 0 && strcmp(mode, "wal") != 0)
		return fault_fail(why, -EIO, "%s: the journal mode is %s, not wal", db->path, mode);
	return r;
}

/* All missing formats in one transaction. */
static int migrate(struct database *db, int from, struct fault *why)
{
	char end[96];
	int r = from < FORMAT ? run(db, "BEGIN IMMEDIATE", why) : 0;

	for (int i = from; i < FORMAT && r == 0; i++)
		r = run(db, migrations[i], why);
	snprintf(end, sizeof(end), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", APPLICATION_ID,
		 FORMAT);
	return r || from == FORMAT ? r : run(db, end, why);
}

/* 0, UNUSABLE, or a negative errno. */
static int set_up(struct database *db, struct fault *why)
{
	int format = 0;
	int r = run(db, settings, why);

	if (r == 0)
		r = check(db, why, &format);
	if (r == 0)
		r = use_wal(db, why);
	if (r == 0)
		r = migrate(db, format, why);
	if (r == 0)
		r = prepare(db, write_one, why, &db->write);
	if (r == 0)
		r = prepare(db, write_session_of_one, why, &db->write_session);
	if (r == 0)
		r = prepare(db, end_session_of_one, why, &db->end_session);
	if (r == 0)
		r = check_code(db, database_entries_prepare(&db->entries, db->sqlite), why);
	return r == -EBADMSG ? UNUSABLE : r;
}

DEFINE_FREEP(database, database_close)

/* ---- memory ---- */

static void *allocate(int n)
{
	return wiped_malloc((size_t)n);
}

static void *reallocate(void *p, int n)
{
	return wiped_realloc(p, (size_t)n);
}

static int size_of(void *p)
{
	return (int)wiped_size(p);
}

static int round_up(int n)
{
	return n;
}

static int begin(void *ctx)
{
	(void)ctx;
	return SQLITE_OK;
}

static void end(void *ctx)
{
	(void)ctx;
}

/* Has no effect if SQLite is in use already: it was called before, or a test has its own allocator. */
static void use_wiped_memory(void)
{
	static const sqlite3_mem_methods methods = {
		allocate, wiped_free, reallocate, size_of, round_up, begin, end, NULL,
	};

	sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

/* 0, UNUSABLE, or a negative errno. */
static int open_prepared(const char *directory, struct fault *why, struct database **ret)
{
	CLEANUP(database_freep) struct database *db = calloc(1, sizeof(*db));

	if (!db || asprintf(&db->path, "%s/" DATABASE_FILE, directory) < 0)
		return fault_fail(why, -ENOMEM, "%s", strerror(ENOMEM));
	use_wiped_memory();
	int code = sqlite3_open_v2(db->path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (!db->sqlite)
		return fault_fail(why, -ENOMEM, "%s: %s", db->path, strerror(ENOMEM));
	/* closing must not change a file that cannot be used */
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	int r = code ? sqlite_failed(db, code, why) : set_up(db, why);
	if (r)
		return r;
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	*ret = TAKE(db);
	return 0;
}

/* 0; UNUSABLE: the file was moved aside; a negative errno. */
static int open_or_move(const char *directory, uint64_t unix_ms, struct fault *moved, struct fault *why,
			struct database **ret)
{
	int fd = database_file_prepare(directory, unix_ms, moved, why);
	struct fault reason;

	if (fd < 0)
		return fd;
	int r = open_prepared(directory, &reason, ret);
	if (r < 0)
		*why = reason;
	if (r == UNUSABLE) {
		int failed = database_file_move_aside(fd, unix_ms, reason.text, moved, why);

		r = failed ? failed : UNUSABLE;
	}
	close(fd);
	return r;
}

int database_open(const char *directory, uint64_t unix_ms, struct fault *moved, struct fault *why,
		  struct database **ret)
{
	int r = open_or_move(directory, unix_ms, moved, why, ret);

	/* with a new file */
	if (r == UNUSABLE)
		r = open_or_move(directory, unix_ms, moved, why, ret);
	return r == UNUSABLE ? fault_fail(why, -EIO, "%s", moved->text) : r;
}

void database_close(struct database *db)
{
	if (!db)
		return;
	sqlite3_finalize(db->write);
	sqlite3_finalize(db->write_session);
	sqlite3_finalize(db->end_session);
	database_entries_fini(&db->entries);
	sqlite3_close(db->sqlite);
	free(db->path);
	free(db);
}

/* ---- reading and writing ---- */

/*
 * Moves the commits from the log of SQLite to the file, and empties the log. An automatic checkpoint would not empty
 * it: if the log lost its end then, its rest would be applied to pages that are newer.
 */
static int empty_log(struct database *db, struct fault *why)
{
	db->commits = 0;
	return run(db, "PRAGMA wal_checkpoint(TRUNCATE)", why);
}

int database_expire(struct database *db, uint64_t unix_ms, struct fault *why)
{
	char sql[80];

	snprintf(sql, sizeof(sql), "DELETE FROM session WHERE until < %lld", (long long)unix_ms);
	int r = run(db, sql, why);
	return r ? r : empty_log(db, why);
}

static int read_session(sqlite3_stmt *row, struct store_record *record)
{
	const void *blob = sqlite3_column_blob(row, 4);
	const struct store_session session = {slice_make(blob, (size_t)sqlite3_column_bytes(row, 4)),
					      (uint64_t)sqlite3_column_int64(row, 3)};

	return blob ? store_record_set_session(record, &session) : 0;
}

static int read_row(sqlite3_stmt *row, struct list *records)
{
	const char *name = (const char *)sqlite3_column_text(row, 0);
	struct store_record *record;
	int r = name ? store_record_new(slice_make(name, (size_t)sqlite3_column_bytes(row, 0)), &record) : -ENOMEM;

	if (r)
		return r;
	record->position.epoch = (uint64_t)sqlite3_column_int64(row, 1);
	record->position.seq = (uint64_t)sqlite3_column_int64(row, 2);
	list_append(records, &record->link);
	return read_session(row, record);
}

int database_read(struct database *db, struct list *records, struct fault *why)
{
	sqlite3_stmt *rows;
	int r = prepare(db, read_all, why, &rows), code = SQLITE_DONE;

	while (r == 0 && (code = sqlite3_step(rows)) == SQLITE_ROW) {
		r = read_row(rows, records);
		if (r)
			fault_fail(why, r, "%s: %s", db->path, strerror(-r));
	}
	if (r == 0 && code != SQLITE_DONE)
		r = sqlite_failed(db, code, why);
	sqlite3_finalize(rows);
	return r;
}

int database_read_entries(struct database *db, struct list *entries, struct fault *why)
{
	return check_code(db, database_entries_read(db->sqlite, entries), why);
}

static int finish(struct database *db, sqlite3_stmt *statement, struct fault *why)
{
	sqlite3_step(statement);
	int code = sqlite3_reset(statement);

	/* the snapshot is a secret, and not ours after this */
	sqlite3_clear_bindings(statement);
	return code ? sqlite_failed(db, code, why) : 0;
}

static int write_session(struct database *db, const struct store_record *record, struct fault *why)
{
	const struct store_session *session = &record->session;
	sqlite3_stmt *statement = session->snapshot.p ? db->write_session : db->end_session;

	sqlite3_bind_text(statement, 1, record->server, -1, SQLITE_STATIC);
	if (session->snapshot.p) {
		sqlite3_bind_int64(statement, 2, (sqlite3_int64)session->until);
		sqlite3_bind_blob64(statement, 3, session->snapshot.p, session->snapshot.n, SQLITE_STATIC);
	}
	return finish(db, statement, why);
}

static int write_record(struct database *db, const struct store_record *record, struct fault *why)
{
	sqlite3_bind_text(db->write, 1, record->server, -1, SQLITE_STATIC);
	sqlite3_bind_int64(db->write, 2, (sqlite3_int64)record->position.epoch);
	sqlite3_bind_int64(db->write, 3, (sqlite3_int64)record->position.seq);
	int r = finish(db, db->write, why);
	return r || !record->session_changed ? r : write_session(db, record, why);
}

/* Otherwise everything would be written to a file that has no name any more. */
static int check_same_file(struct database *db, struct fault *why)
{
	int moved = 0;

	if (sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
		return fault_fail(why, -ESTALE, "%s was removed or replaced while the daemon had it open", db->path);
	return 0;
}

int database_write(struct database *db, const struct list *records, const struct list *entries,
		   struct fault *why)
{
	bool sessions_change = false;
	int r = check_same_file(db, why);

	if (r == 0)
		r = run(db, "BEGIN IMMEDIATE", why);
	if (r)
		return r;
	LIST_EACH(record, records, struct store_record, link) {
		sessions_change |= record->session_changed;
		if (r == 0)
			r = write_record(db, record, why);
	}
	if (r == 0)
		r = check_code(db, database_entries_write(&db->entries, entries), why);
	if (r == 0)
		r = run(db, "COMMIT", why);
	if (r)
		return r;
	/* the log still has the session that was replaced or has ended, a secret */
	return sessions_change || ++db->commits >= COMMITS_PER_CHECKPOINT ? empty_log(db, why) : 0;
}
