/* The VFS of tests/unit/disk.h: passes each call to the real one, or fails. */
#include "tests/unit/disk.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

struct file {
	sqlite3_file base;
	sqlite3_file *real;             /* the bytes after this struct */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static bool armed, lasting, failed, held;
static unsigned countdown, operations;
static enum disk_fault kind;

void disk_fail(unsigned n, enum disk_fault fault, bool for_ever)
{
	pthread_mutex_lock(&lock);
	armed = true;
	failed = false;
	lasting = for_ever;
	countdown = n;
	kind = fault;
	operations = 0;
	pthread_mutex_unlock(&lock);
}

bool disk_repair(void)
{
	pthread_mutex_lock(&lock);
	armed = false;
	bool r = failed;
	pthread_mutex_unlock(&lock);
	return r;
}

void disk_hold(void)
{
	pthread_mutex_lock(&lock);
	held = true;
	pthread_mutex_unlock(&lock);
}

void disk_release(void)
{
	pthread_mutex_lock(&lock);
	held = false;
	pthread_cond_broadcast(&released);
	pthread_mutex_unlock(&lock);
}

unsigned disk_operations(void)
{
	pthread_mutex_lock(&lock);
	unsigned n = operations;
	pthread_mutex_unlock(&lock);
	return n;
}

/* `broken`: the result code if it is not full. SQLITE_OK: the operation succeeds. */
static int operate(int broken)
{
	int r = SQLITE_OK;

	pthread_mutex_lock(&lock);
	operations++;
	if (armed && (lasting || !failed) && (failed || countdown-- == 0)) {
		failed = true;
		r = kind == DISK_FULL ? SQLITE_FULL : broken;
		errno = kind == DISK_FULL ? ENOSPC : EIO;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

/* ---- a file ---- */

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct file *)f)->real;
}

static int do_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int do_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), to, n, at);
}

static int do_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
	int r = operate(SQLITE_IOERR_WRITE);

	/* a part of it may be written all the same */
	if (r && n > 1)
		real_of(f)->pMethods->xWrite(real_of(f), from, n / 2, at);
	return r ? r : real_of(f)->pMethods->xWrite(real_of(f), from, n, at);
}

static int do_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int r = operate(SQLITE_IOERR_TRUNCATE);

	return r ? r : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int do_sync(sqlite3_file *f, int flags)
{
	int r = operate(SQLITE_IOERR_FSYNC);

	pthread_mutex_lock(&lock);
	while (held)
		pthread_cond_wait(&released, &lock);
	pthread_mutex_unlock(&lock);
	/* the page cache keeps what a test reads again */
	(void)flags;
	(void)f;
	return r;
}

static int do_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), ret);
}

static int do_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int do_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int do_check_lock(sqlite3_file *f, int *ret)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int do_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int do_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int do_characteristics(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

/* version 1: without shared memory, which the database must not need */
static const sqlite3_io_methods methods = {
	1, do_close, do_read, do_write, do_truncate, do_sync, do_size, do_lock, do_unlock, do_check_lock, do_control,
	do_sector, do_characteristics, NULL, NULL, NULL, NULL, NULL, NULL,
};

/* ---- the VFS ---- */

static sqlite3_vfs *real_vfs;
static sqlite3_vfs vfs;

static int do_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct file *file = (struct file *)f;
	int r = flags & SQLITE_OPEN_CREATE ? operate(SQLITE_CANTOPEN) : SQLITE_OK;

	(void)v;
	file->base.pMethods = NULL;
	file->real = (sqlite3_file *)(file + 1);
	if (r == SQLITE_FULL)
		r = SQLITE_CANTOPEN;
	if (r == SQLITE_OK)
		r = real_vfs->xOpen(real_vfs, name, file->real, flags, ret_flags);
	if (r == SQLITE_OK)
		file->base.pMethods = &methods;
	return r;
}

static int do_delete(sqlite3_vfs *v, const char *name, int sync)
{
	int r = operate(SQLITE_IOERR_DELETE);

	(void)v;
	return r ? r : real_vfs->xDelete(real_vfs, name, sync);
}

void disk_use(void)
{
	sqlite3_initialize();
	real_vfs = sqlite3_vfs_find(NULL);
	vfs = *real_vfs;
	vfs.zName = "disk";
	vfs.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
	vfs.xOpen = do_open;
	vfs.xDelete = do_delete;
	sqlite3_vfs_register(&vfs, 1);
}
