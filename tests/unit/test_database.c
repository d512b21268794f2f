/*
 * store/database: a file that was damaged, cut or left half-written either opens with a state that was committed, or
 * is renamed with a message; and a disk that fails at any write loses no commit that was reported.
 */
#include "store/database.h"
#include "store/record.h"
#include "tests/unit/disk.h"
#include "tests/unit/state_dir.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* 2026-11-30 20:23:10 */
#define NOW 1796070190000u
#define MOVED "state.db.20261130T202310Z"

static struct fault why, moved;

static int setup(void **state)
{
	(void)state;
	state_dir_make();
	fault_clear(&why);
	fault_clear(&moved);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	disk_repair();
	state_dir_remove();
	return 0;
}

static int open_it(struct database **ret)
{
	fault_clear(&moved);
	return database_open(state_dir, NOW, &moved, &why, ret);
}

static void must_open(struct database **ret)
{
	int r = open_it(ret);

	if (r)
		fail_msg("%d: %s", r, why.text);
}

static int write_one(struct database *db, const char *server, uint64_t epoch, uint64_t seq)
{
	struct list records = LIST_INIT(records), none = LIST_INIT(none);
	struct store_record *record;

	int r = store_record_new(slice_of(server), &record);
	if (r)
		return r;
	record->position = (struct store_position){epoch, seq};
	list_append(&records, &record->link);
	r = database_write(db, &records, &none, &why);
	store_records_free(&records);
	return r;
}

static void assert_one(struct database *db, const char *server, uint64_t epoch, uint64_t seq)
{
	struct list records = LIST_INIT(records);
	bool found = false;

	assert_int_equal(database_read(db, &records, &why), 0);
	LIST_EACH(r, &records, struct store_record, link)
		if (strcmp(r->server, server) == 0)
			found = r->position.epoch == epoch && r->position.seq == seq;
	store_records_free(&records);
	assert_true(found);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(state_path(name), &st), 0);
	return st.st_mode & 07777;
}

static void values_survive(void **state)
{
	struct database *db;

	(void)state;
	umask(0);
	must_open(&db);
	assert_int_equal(write_one(db, "a", UINT64_MAX, 7), 0);
	assert_int_equal(write_one(db, "b \xc3\xa4", 1, 9007199254740992u), 0);
	assert_int_equal(write_one(db, "a", 0x8000000000000000u, 8), 0);
	/* only the owner can read any of its files */
	assert_int_equal(mode_of("state.db"), 0600);
	assert_int_equal(mode_of("state.db-wal"), 0600);
	assert_int_equal(state_count(""), 2);
	database_close(db);
	assert_int_equal(state_count(""), 1);
	chmod(state_path("state.db"), 0644);
	must_open(&db);
	assert_int_equal(mode_of("state.db"), 0600);
	assert_one(db, "a", 0x8000000000000000u, 8);
	assert_one(db, "b \xc3\xa4", 1, 9007199254740992u);
	database_close(db);
	database_close(NULL);
	assert_false(fault_is_set(&moved));
	umask(022);
}

static void a_second_process_is_kept_out(void **state)
{
	struct database *db, *other;

	(void)state;
	must_open(&db);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(open_it(&other) == -EBUSY && strstr(why.text, "another process has it open") ? 0 : 1);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(write_one(db, "a", 1, 1), 0);
	database_close(db);
}

/* ---- files that cannot be used ---- */

static void run_sql(const char *sql)
{
	sqlite3 *s;

	assert_int_equal(sqlite3_open_v2(state_path("state.db"), &s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix"),
			 SQLITE_OK);
	assert_int_equal(sqlite3_exec(s, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(s), SQLITE_OK);
}

static void make_file(void)
{
	struct database *db;

	must_open(&db);
	assert_int_equal(write_one(db, "a", 5, 6), 0);
	database_close(db);
}

/* It was renamed as it was, for this reason, and a new one is used. */
static void expect_moved(const char *reason)
{
	size_t before_n, after_n;
	char *before = state_read("state.db", &before_n);
	struct list records = LIST_INIT(records);
	struct database *db;

	must_open(&db);
	if (!strstr(moved.text, reason) || !strstr(moved.text, "; it is kept as " MOVED))
		fail_msg("moved: %s", moved.text);
	char *after = state_read(MOVED, &after_n);
	assert_true(before_n == after_n && memcmp(before, after, before_n) == 0);
	free(before);
	free(after);
	assert_int_equal(database_read(db, &records, &why), 0);
	assert_true(list_empty(&records));
	assert_int_equal(write_one(db, "a", 1, 1), 0);
	database_close(db);
	state_dir_clear();
}

static void unusable_files_are_renamed(void **state)
{
	static const char garbage[8192] = "this is no database";

	(void)state;
	state_write("state.db", garbage, sizeof(garbage));
	expect_moved("file is not a database");
	state_write("state.db", "xy", 2);
	expect_moved("file is not a database");
	make_file();
	run_sql("PRAGMA user_version = 4");
	expect_moved("was written by a newer version of cometd-bridge, in format 4; this version knows formats up to 3");
	make_file();
	run_sql("PRAGMA user_version = -1");
	expect_moved("is damaged");
	make_file();
	run_sql("PRAGMA application_id = 1");
	expect_moved("is the database of another program");
	run_sql("CREATE TABLE t (x)");
	expect_moved("is the database of another program");
	make_file();
	run_sql("DROP TABLE server");
	expect_moved("no such table");
	make_file();
	run_sql("PRAGMA ignore_check_constraints = ON; UPDATE server SET seq = -1");
	expect_moved("is damaged: CHECK constraint failed");
}

static void an_older_format_is_migrated(void **state)
{
	struct database *db;

	(void)state;
	make_file();
	run_sql("DROP TABLE session; DROP TABLE consumer; DROP TABLE message; PRAGMA user_version = 1");
	must_open(&db);
	assert_int_equal(write_one(db, "b", 2, 3), 0);
	assert_one(db, "b", 2, 3);
	database_close(db);
	assert_false(fault_is_set(&moved));
}

static void renamed_files_are_not_replaced(void **state)
{
	(void)state;
	for (int i = 0; i < 16; i++) {
		char content[2] = {(char)('A' + i), 'x'};
		struct database *db;

		state_write("state.db", content, 2);
		must_open(&db);
		database_close(db);
	}
	assert_int_equal(state_count("state.db."), 16);
	size_t n;
	char *first = state_read(MOVED, &n);
	assert_true(n == 2 && *first == 'A');
	free(first);
	/* one more within the same second waits for the next one, and stays where it is */
	struct database *db;
	state_write("state.db", "Qx", 2);
	assert_int_equal(open_it(&db), -EEXIST);
	assert_non_null(strstr(why.text, "cannot be used, nor be renamed"));
	char *last = state_read("state.db", &n);
	assert_true(n == 2 && *last == 'Q');
	free(last);
}

/* The daemon ended between two renames, or only the file itself was removed. */
static void a_log_alone_is_not_applied(void **state)
{
	struct database *db;
	size_t n;

	(void)state;
	must_open(&db);
	assert_int_equal(write_one(db, "a", 5, 6), 0);
	char *log = state_read("state.db-wal", &n);
	database_close(db);
	state_dir_clear();
	state_write("state.db-wal", log, n);
	free(log);
	must_open(&db);
	assert_non_null(strstr(moved.text, "was removed or emptied, but not what belongs to it; it is kept as " MOVED));
	assert_int_equal(state_count(MOVED "-wal"), 1);
	struct list records = LIST_INIT(records);
	assert_int_equal(database_read(db, &records, &why), 0);
	assert_true(list_empty(&records));
	database_close(db);
}

static void places_that_cannot_be_used(void **state)
{
	struct database *db;

	(void)state;
	mkdir(state_path("state.db"), 0700);
	assert_true(open_it(&db) < 0);
	assert_non_null(strstr(why.text, "state.db is not a regular file; remove it"));
	rmdir(state_path("state.db"));
	assert_int_equal(symlink("elsewhere", state_path("state.db")), 0);
	assert_true(open_it(&db) < 0);
	assert_non_null(strstr(why.text, "state.db is not a regular file; remove it"));
	assert_int_equal(state_count("elsewhere"), 0);
	unlink(state_path("state.db"));
	assert_int_equal(mkfifo(state_path("state.db"), 0600), 0);
	assert_true(open_it(&db) < 0);
	assert_non_null(strstr(why.text, "state.db is not a regular file; remove it"));
	unlink(state_path("state.db"));
	assert_int_equal(database_open("/nowhere", NOW, &moved, &why, &db), -ENOENT);
	assert_string_equal(why.text, "the state directory /nowhere: No such file or directory");
	assert_int_equal(database_open("/dev/null", NOW, &moved, &why, &db), -ENOTDIR);
	assert_false(fault_is_set(&moved));
	if (geteuid() != 0)
		return;
	/* of another user; and as root every directory is writable */
	make_file();
	assert_int_equal(chown(state_path("state.db"), 1, 1), 0);
	assert_int_equal(open_it(&db), -EPERM);
	assert_non_null(strstr(why.text, "belongs to user 1, but the daemon runs as user 0"));
	assert_int_equal(chown(state_path("state.db"), 0, 0), 0);
	must_open(&db);
	assert_one(db, "a", 5, 6);
	database_close(db);
}

/* For one who is not root. */
static void a_read_only_directory(void **state)
{
	int status;

	(void)state;
	make_file();
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct database *db;

		if (geteuid() == 0 && (chown(state_dir, 1, 1) || setuid(1)))
			_exit(2);
		/* the file belongs to root then, and would not be used anyway */
		rename(state_path("state.db"), "/nowhere/x");
		unlink(state_path("state.db"));
		chmod(state_dir, 0500);
		_exit(open_it(&db) == -EACCES ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(chown(state_dir, geteuid(), getegid()), 0);
	assert_int_equal(status, 0);
}

static void a_file_removed_meanwhile(void **state)
{
	struct database *db;

	(void)state;
	must_open(&db);
	assert_int_equal(write_one(db, "a", 1, 1), 0);
	unlink(state_path("state.db"));
	assert_int_equal(write_one(db, "a", 1, 2), -ESTALE);
	assert_non_null(strstr(why.text, "was removed or replaced"));
	database_close(db);
	state_dir_clear();
	must_open(&db);
	assert_int_equal(write_one(db, "a", 1, 2), 0);
	database_close(db);
}

/* ---- a history of commits ---- */

enum { SERVERS = 60, COMMITS = 90, EPOCH = 77 };

static const char *name_of(unsigned server)
{
	static char name[320];

	/* long, so that the table has several pages */
	memset(name, 'n', sizeof(name));
	snprintf(name + 300, sizeof(name) - 300, "%u", server);
	return name;
}

/* Commit k, from 1 on, sets the seq of these two servers to k. */
static void servers_of(unsigned commit, unsigned ret[2])
{
	ret[0] = commit * 7 % SERVERS;
	ret[1] = commit * 13 % SERVERS;
}

static int write_commit(struct database *db, unsigned commit)
{
	struct list records = LIST_INIT(records), none = LIST_INIT(none);
	unsigned servers[2];

	servers_of(commit, servers);
	for (int i = 0; i < 2; i++) {
		struct store_record *record;

		assert_int_equal(store_record_new(slice_of(name_of(servers[i])), &record), 0);
		record->position = (struct store_position){EPOCH, commit};
		list_append(&records, &record->link);
	}
	int r = database_write(db, &records, &none, &why);
	store_records_free(&records);
	return r;
}

/* Which commit has exactly these values; 0: none was made yet. Fails if they are those of no commit. */
static unsigned commit_of(struct database *db)
{
	uint64_t found[SERVERS] = {0}, expected[SERVERS] = {0};
	struct list records = LIST_INIT(records);

	assert_int_equal(database_read(db, &records, &why), 0);
	LIST_EACH(r, &records, struct store_record, link) {
		unsigned server = (unsigned)atoi(r->server + 300);

		assert_true(server < SERVERS && strcmp(r->server, name_of(server)) == 0);
		assert_int_equal(r->position.epoch, EPOCH);
		found[server] = r->position.seq;
	}
	store_records_free(&records);
	for (unsigned k = 0; k <= COMMITS; k++) {
		unsigned servers[2];

		servers_of(k, servers);
		expected[servers[0]] = expected[servers[1]] = k;
		if (memcmp(found, expected, sizeof(found)) == 0)
			return k;
	}
	fail_msg("these values were never committed together");
	return 0;
}

static void assert_content(const char *name, const char *content, size_t n)
{
	size_t found_n;
	char *found = state_read(name, &found_n);

	assert_true(found && found_n == n && memcmp(found, content, n) == 0);
	free(found);
}

static unsigned opened, renamed;

static void try_files(const char *file, size_t file_n, const char *log, size_t log_n)
{
	struct database *db;

	state_dir_clear();
	state_write("state.db", file, file_n);
	state_write("state.db-wal", log_n ? log : NULL, log_n);
	must_open(&db);
	if (fault_is_set(&moved)) {
		assert_content(MOVED, file, file_n);
		if (log_n)
			assert_content(MOVED "-wal", log, log_n);
		assert_int_equal(commit_of(db), 0);
		renamed++;
	} else {
		commit_of(db);
		opened++;
	}
	/* and it can be written to */
	assert_int_equal(write_one(db, "other", 1, 1), 0);
	database_close(db);
}

/* The files as they are now, cut at each page and in the middle of some. */
static void try_each_length(void)
{
	size_t file_n, log_n = 0;
	char *file = state_read("state.db", &file_n), *log = state_read("state.db-wal", &log_n);

	for (size_t n = 0; n <= file_n; n += 4096) {
		try_files(file, n, log, log_n);
		try_files(file, n, log, 0);
		if (n + 4096 <= file_n && n % 3 == 0)
			try_files(file, n + 1000, log, log_n);
	}
	/* its header, and 24 bytes before each page */
	for (size_t n = 32; n <= log_n; n += 4096 + 24) {
		try_files(file, file_n, log, n);
		try_files(file, file_n, log, n - 20);
		if (n + 2000 <= log_n)
			try_files(file, file_n, log, n + 2000);
	}
	free(file);
	free(log);
}

static void cut_files_give_no_wrong_value(void **state)
{
	struct database *db;
	char *file[3], *log[3];
	size_t file_n[3], log_n[3];

	(void)state;
	must_open(&db);
	for (unsigned k = 1, i = 0; k <= COMMITS; k++) {
		assert_int_equal(write_commit(db, k), 0);
		if (k % 30)
			continue;
		/* as a kill leaves them */
		file[i] = state_read("state.db", &file_n[i]);
		log[i] = state_read("state.db-wal", &log_n[i]);
		i++;
		/* the commits are moved from the log to the file */
		database_close(db);
		must_open(&db);
		assert_int_equal(commit_of(db), k);
	}
	database_close(db);
	try_each_length();
	for (int i = 0; i < 3; i++) {
		state_dir_clear();
		state_write("state.db", file[i], file_n[i]);
		state_write("state.db-wal", log[i], log_n[i]);
		try_each_length();
		free(file[i]);
		free(log[i]);
	}
	print_message("%u opened, %u renamed\n", opened, renamed);
	assert_true(opened > 100 && renamed > 10);
}

/* What a log that lost its end would be applied to is never newer than its beginning. */
static void the_log_is_emptied(void **state)
{
	size_t largest = 0, n = 1;
	struct database *db;

	(void)state;
	must_open(&db);
	for (unsigned k = 0; k < 3 && n; k++)
		for (unsigned i = 0; i < 256; i++) {
			assert_int_equal(write_commit(db, i % COMMITS), 0);
			free(state_read("state.db-wal", &n));
			largest = n > largest ? n : largest;
			if (n == 0)
				break;
		}
	assert_int_equal(n, 0);
	assert_true(largest > 256 * 4096);
	database_close(db);
}

/* ---- a disk that fails ---- */

/* Opens and commits from `from` on until something fails; the last commit that was reported. */
static unsigned commit_some(unsigned from, unsigned to, int expected)
{
	struct database *db;
	unsigned done = from;
	int r = open_it(&db);

	if (r == 0) {
		while (r == 0 && done < to) {
			r = write_commit(db, done + 1);
			done += r == 0;
		}
		database_close(db);
	}
	if (r && r != expected)
		fail_msg("%d (%s) instead of %d", r, why.text, expected);
	return done;
}

static void fail_each_operation(enum disk_fault fault, bool for_ever, int expected)
{
	unsigned n = 0;
	bool failed;

	do {
		struct database *db;

		state_dir_clear();
		assert_int_equal(commit_some(0, 3, 0), 3);
		disk_fail(n++, fault, for_ever);
		unsigned last = commit_some(3, 12, expected);
		failed = disk_repair();
		/* what was reported is there, and at most the next one */
		must_open(&db);
		unsigned found = commit_of(db);
		if (found != last && found != last + 1)
			fail_msg("operation %u: commit %u was reported, found %u", n - 1, last, found);
		database_close(db);
		assert_int_equal(commit_some(found, 20, 0), 20);
		/* a failing disk is no reason to give up a file */
		assert_int_equal(state_count("state.db."), 0);
	} while (failed);
	print_message("%u operations\n", n - 1);
	assert_true(n > 20);
}

static void a_full_disk(void **state)
{
	(void)state;
	fail_each_operation(DISK_FULL, true, -ENOSPC);
	fail_each_operation(DISK_FULL, false, -ENOSPC);
}

static void a_broken_disk(void **state)
{
	(void)state;
	fail_each_operation(DISK_BROKEN, true, -EIO);
	fail_each_operation(DISK_BROKEN, false, -EIO);
}

/* ---- memory ---- */

static void *limited_malloc(int n)
{
	/* the allocator that can be made to fail */
	void *p = malloc((size_t)n + 16);

	if (!p)
		return NULL;
	memcpy(p, &n, sizeof(n));
	return (char *)p + 16;
}

static int limited_size(void *p)
{
	int n;

	memcpy(&n, (char *)p - 16, sizeof(n));
	return n;
}

static void limited_free(void *p)
{
	free((char *)p - 16);
}

static void *limited_realloc(void *p, int n)
{
	char *to = realloc((char *)p - 16, (size_t)n + 16);

	if (!to)
		return NULL;
	memcpy(to, &n, sizeof(n));
	return to + 16;
}

static int limited_roundup(int n)
{
	return n;
}

static int limited_init(void *ctx)
{
	(void)ctx;
	return SQLITE_OK;
}

static void limited_shutdown(void *ctx)
{
	(void)ctx;
}

/* Of SQLite and of our own code. */
static void short_of_memory(void **state)
{
	unsigned failures = 0;

	(void)state;
	assert_int_equal(commit_some(0, 3, 0), 3);
	FAIL_EACH_ALLOCATION {
		struct list records = LIST_INIT(records);
		struct database *db;
		int r = open_it(&db);

		if (r == 0) {
			r = database_read(db, &records, &why);
			store_records_free(&records);
			if (r == 0)
				r = write_one(db, name_of(21), EPOCH, 3);
			database_close(db);
		}
		if (r && r != -ENOMEM)
			fail_msg("%d: %s", r, why.text);
		failures += r != 0;
	}
	assert_true(failures > 50);
	assert_int_equal(state_count(""), 1);
	struct database *db;
	must_open(&db);
	assert_int_equal(commit_of(db), 3);
	database_close(db);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(values_survive), T(a_second_process_is_kept_out), T(unusable_files_are_renamed), T(an_older_format_is_migrated),
		T(renamed_files_are_not_replaced), T(a_log_alone_is_not_applied), T(places_that_cannot_be_used),
		T(a_read_only_directory), T(a_file_removed_meanwhile), T(cut_files_give_no_wrong_value), T(the_log_is_emptied),
		T(a_full_disk), T(a_broken_disk), T(short_of_memory),
	};
	sqlite3_mem_methods memory = {
		limited_malloc, limited_free, limited_realloc, limited_size, limited_roundup, limited_init,
		limited_shutdown, NULL,
	};

	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) != SQLITE_OK)
		return 1;
	disk_use();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
