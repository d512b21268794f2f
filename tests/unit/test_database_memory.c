/*
 * store/database: what SQLite frees is overwritten, because snapshots of sessions are secrets.
 */
#include "store/database.h"
#include "store/record.h"
#include "tests/unit/state_dir.h"
#include "tests/unit/testing.h"

#include <string.h>

/* what explicit_bzero() was given; a test must not look at memory that was freed */
static bool wiped;

void explicit_bzero(void *p, size_t n)
{
	const void *before = p;

	/* gcc assumes that this function reads nothing */
	__asm__ volatile("" : "+r"(before));
	wiped = wiped || memmem(before, n, "secret-12345", 12);
	memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory");
}

static void what_is_freed(void **state)
{
	struct list records = LIST_INIT(records), none = LIST_INIT(none);
	struct store_record *record;
	struct fault why, moved;
	struct database *db;

	(void)state;
	state_dir_make();
	assert_int_equal(database_open(state_dir, 0, &moved, &why, &db), 0);
	assert_int_equal(store_record_new(SLICE("secret-12345"), &record), 0);
	list_append(&records, &record->link);
	wiped = false;
	assert_int_equal(database_write(db, &records, &none, &why), 0);
	database_close(db);
	assert_true(wiped);
	store_records_free(&records);
	state_dir_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
