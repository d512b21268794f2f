/*
 * Writes each kind of entry by one prepared statement. The texts are bound without a copy, because a statement has
 * ended when its entry is freed.
 */
#include "store/database_entries.h"

/* one more than kinds: clearing takes two */
#define CLEAR_MESSAGES (STORE_ENTRY_CLEAR + 1)

static const char *const texts[] = {
	[STORE_ENTRY_MESSAGE] = "INSERT OR REPLACE INTO message (server, seq, unix_ms, channel, frame, filtered)"
				" VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[STORE_ENTRY_TRIM] = "DELETE FROM message WHERE server = ?1 AND seq <= ?2",
	[STORE_ENTRY_CONSUMER] = "INSERT OR REPLACE INTO consumer (server, name, uid, acked, lost, lost_first,"
				 " lost_last, patterns) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[STORE_ENTRY_END] = "DELETE FROM consumer WHERE server = ?1 AND name = ?2",
	[STORE_ENTRY_CLEAR] = "DELETE FROM consumer WHERE server = ?1",
	[CLEAR_MESSAGES] = "DELETE FROM message WHERE server = ?1",
};

int database_entries_prepare(struct database_entries *e, sqlite3 *sqlite)
{
	int code = SQLITE_OK;

	for (int i = 0; i <= CLEAR_MESSAGES && code == SQLITE_OK; i++)
		code = sqlite3_prepare_v2(sqlite, texts[i], -1, &e->statements[i], NULL);
	return code;
}

void database_entries_fini(struct database_entries *e)
{
	for (int i = 0; i <= CLEAR_MESSAGES; i++)
		sqlite3_finalize(e->statements[i]);
}

/* ---- writing ---- */

static void bind_text(sqlite3_stmt *s, int column, struct slice text)
{
	sqlite3_bind_text64(s, column, text.n ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_blob(sqlite3_stmt *s, int column, struct slice blob)
{
	sqlite3_bind_blob64(s, column, blob.n ? blob.p : "", blob.n, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *s, int column, uint64_t n)
{
	sqlite3_bind_int64(s, column, (sqlite3_int64)n);
}

static int finish(sqlite3_stmt *s)
{
	sqlite3_step(s);
	int code = sqlite3_reset(s);

	sqlite3_clear_bindings(s);
	return code;
}

static int write_entry(struct database_entries *e, const struct store_entry *entry)
{
	sqlite3_stmt *s = e->statements[entry->kind];
	const struct store_message *m = &entry->message;
	const struct store_consumer *c = &entry->consumer;

	bind_text(s, 1, entry->server);
	switch (entry->kind) {
	case STORE_ENTRY_MESSAGE:
		bind_number(s, 2, m->seq);
		bind_number(s, 3, m->unix_ms);
		bind_blob(s, 4, m->channel);
		bind_blob(s, 5, m->frame);
		bind_number(s, 6, m->filtered);
		break;
	case STORE_ENTRY_TRIM:
		bind_number(s, 2, m->seq);
		break;
	case STORE_ENTRY_CONSUMER:
		bind_text(s, 2, c->name);
		bind_number(s, 3, c->uid);
		bind_number(s, 4, c->acked);
		bind_number(s, 5, c->lost);
		bind_number(s, 6, c->lost_first);
		bind_number(s, 7, c->lost_last);
		bind_blob(s, 8, c->patterns);
		break;
	case STORE_ENTRY_END:
		bind_text(s, 2, c->name);
		break;
	case STORE_ENTRY_CLEAR:
		bind_text(e->statements[CLEAR_MESSAGES], 1, entry->server);
		break;
	}
	int code = finish(s);
	return code == SQLITE_OK && entry->kind == STORE_ENTRY_CLEAR ? finish(e->statements[CLEAR_MESSAGES]) : code;
}

int database_entries_write(struct database_entries *e, const struct list *entries)
{
	int code = SQLITE_OK;

	LIST_EACH(entry, entries, struct store_entry, link)
		if (code == SQLITE_OK)
			code = write_entry(e, entry);
	return code;
}

/* ---- reading ---- */

static struct slice blob_of(sqlite3_stmt *row, int column)
{
	const void *blob = sqlite3_column_blob(row, column);

	return blob ? slice_make(blob, (size_t)sqlite3_column_bytes(row, column)) : SLICE_NULL;
}

static uint64_t number_of(sqlite3_stmt *row, int column)
{
	return (uint64_t)sqlite3_column_int64(row, column);
}

static int append_row(const struct store_entry *row, struct list *entries)
{
	struct store_entry *copy;

	if (store_entry_copy(row, &copy))
		return SQLITE_NOMEM;
	list_append(entries, &copy->link);
	return SQLITE_OK;
}

static int read_consumer(sqlite3_stmt *row, struct list *entries)
{
	const struct store_entry e = {
		.kind = STORE_ENTRY_CONSUMER, .server = blob_of(row, 0),
		.consumer = {blob_of(row, 1), number_of(row, 2), number_of(row, 3), number_of(row, 4),
			     number_of(row, 5), number_of(row, 6), blob_of(row, 7)},
	};

	return append_row(&e, entries);
}

static int read_message(sqlite3_stmt *row, struct list *entries)
{
	const struct store_entry e = {
		.kind = STORE_ENTRY_MESSAGE, .server = blob_of(row, 0),
		.message = {number_of(row, 1), number_of(row, 2), blob_of(row, 3), blob_of(row, 4), number_of(row, 5) != 0},
	};

	return append_row(&e, entries);
}

static int read_rows(sqlite3 *sqlite, const char *sql, int (*read)(sqlite3_stmt *row, struct list *entries),
		     struct list *entries)
{
	sqlite3_stmt *rows;
	int code = sqlite3_prepare_v2(sqlite, sql, -1, &rows, NULL), read_code = SQLITE_OK;

	if (code)
		return code;
	while (read_code == SQLITE_OK && sqlite3_step(rows) == SQLITE_ROW)
		read_code = read(rows, entries);
	int end = sqlite3_finalize(rows);
	return read_code ? read_code : end;
}

int database_entries_read(sqlite3 *sqlite, struct list *entries)
{
	int code = read_rows(sqlite, "SELECT server, name, uid, acked, lost, lost_first, lost_last, patterns FROM consumer"
			     " ORDER BY server, name",
			     read_consumer, entries);

	return code ? code
		    : read_rows(sqlite, "SELECT server, seq, unix_ms, channel, frame, filtered FROM message"
				" ORDER BY server, seq",
				read_message, entries);
}
