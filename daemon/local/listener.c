/*
 * One listening Unix socket and its path. Only an unused socket of this user is removed from the path; of several
 * daemons started at once exactly one gets it; no connection is accepted before mode and group are set. A lack of
 * descriptors pauses accepting, some stay reserved for sessions and helpers, and a storm of connects gets no more
 * of a turn than other costly work.
 */
#include "local/listener.h"

#include "base/errors.h"
#include "base/fault.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PAUSE_MS 100
/* descriptors that connections must leave to sessions and helpers; a quarter when there are few */
#define RESERVED_FDS 64u
#define LOCK_SUFFIX ".lock"

struct listener {
	struct loop *loop;
	struct work_queue *queue;
	struct work_item work;          /* accepts, one connection a step */
	int fd, lock_fd;
	bool bound;                     /* the path is ours: dev and ino say which file */
	dev_t dev;
	ino_t ino;
	struct sockaddr_un address;     /* sun_path always ends in a NUL */
	struct loop_watch *watch;
	struct loop_timer *pause;
	bool paused;                    /* until the timer `pause` */
	bool pause_logged;              /* and nothing was accepted since */
	struct loop_corpse corpse;
	listener_accepted *accepted;
	void *ctx;
	struct listener_counters counters;
};

/* --- what lies at the path --- */

static int check_path(const char *path, struct fault *why)
{
	size_t n = path ? strlen(path) : 0;

	if (n && path[0] == '@')
		return fault_fail(why, LISTENER_E_REFUSED,
				  "%s: abstract sockets have no permissions; name a path", path);
	if (!n || path[0] != '/' || path[n - 1] == '/')
		return fault_fail(why, LISTENER_E_REFUSED, "\"%s\" is not an absolute path of a socket",
				  path ? path : "");
	if (n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return fault_fail(why, LISTENER_E_REFUSED,
				  "%s: the path of a socket has at most 107 bytes", path);
	return 0;
}

/*
 * A user who can write the directory can replace what is at the path between the check and bind(). So only this
 * user or root may be able to write it.
 */
static int check_directory(const char *path, struct fault *why)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat st;
	size_t n = (size_t)(strrchr(path, '/') - path);

	memcpy(directory, path, n ? n : 1);
	directory[n ? n : 1] = 0;
	if (stat(directory, &st)) {
		int r = -errno;

		return fault_fail(why, r, "%s: the directory: %m", path);
	}
	if (!S_ISDIR(st.st_mode))
		return fault_fail(why, LISTENER_E_REFUSED, "%s: %s is not a directory", path, directory);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022))
		return fault_fail(why, LISTENER_E_REFUSED,
				  "%s: others may write the directory %s; it must be ours alone", path,
				  directory);
	return 0;
}

/* Whether a process listens at the address, by connecting. 0: none; a listener_result; or a negative errno. */
static int check_unused(const struct sockaddr_un *address, struct fault *why)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : 0;

	if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		r = -errno;
	if (fd >= 0)
		close(fd);
	else
		return fault_fail(why, r, "%s: %m", address->sun_path);
	switch (r) {
	case -ECONNREFUSED:
	case -ENOENT:
		return 0;
	case 0:
	case -EAGAIN:   /* its backlog is full: it lives */
		return fault_fail(why, LISTENER_E_RUNNING, "%s: already running: another process serves it",
				  address->sun_path);
	default:
		return fault_fail(why, LISTENER_E_REFUSED, "%s: there is a socket that is not of cometd-bridged",
				  address->sun_path);
	}
}

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a regular file";
	case S_IFDIR:
		return "a directory";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFIFO:
		return "a pipe";
	default:
		return "a device";
	}
}

/* Makes the path free, if only a dead socket of ours is there. Under the lock. */
static int clear_path(const struct sockaddr_un *address, struct fault *why)
{
	const char *path = address->sun_path;
	struct stat st;
	int r;

	if (lstat(path, &st)) {
		r = errno == ENOENT ? 0 : -errno;
		return r ? fault_fail(why, r, "%s: %m", path) : 0;
	}
	if (!S_ISSOCK(st.st_mode))
		return fault_fail(why, LISTENER_E_REFUSED,
				  "%s: there is %s, which will not be replaced by a socket", path,
				  kind_of(st.st_mode));
	r = check_unused(address, why);
	if (r)
		return r;
	if (st.st_uid != geteuid())
		return fault_fail(why, LISTENER_E_REFUSED, "%s: there is a dead socket of uid %u", path,
				  (unsigned)st.st_uid);
	if (unlink(path) && errno != ENOENT) {
		r = -errno;
		return fault_fail(why, r, "%s: cannot remove the dead socket: %m", path);
	}
	return 0;
}

/* --- the lock --- */

static bool lock_is_the_file(int fd, const char *path)
{
	struct stat held, there;

	return fstat(fd, &held) == 0 && lstat(path, &there) == 0 && held.st_dev == there.st_dev &&
	       held.st_ino == there.st_ino;
}

/*
 * Held for life. Without it two daemons that start at once would both find a
 * dead socket, and the second would remove the living one of the first.
 */
static int take_lock(struct listener *l, struct fault *why)
{
	char path[sizeof(l->address.sun_path) + sizeof(LOCK_SUFFIX)];
	int r;

	snprintf(path, sizeof(path), "%s" LOCK_SUFFIX, l->address.sun_path);
	for (;;) {
		l->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
				  0600);
		if (l->lock_fd < 0) {
			r = -errno;
			return fault_fail(why, r, "%s: %m", path);
		}
		if (flock(l->lock_fd, LOCK_EX | LOCK_NB)) {
			r = errno == EWOULDBLOCK ? LISTENER_E_RUNNING : -errno;
			fault_fail(why, r, r < 0 ? "%s: %m" : "%s: already running: another process holds the lock",
				   path);
			/* it belongs to another process, and so does its path */
			close(l->lock_fd);
			l->lock_fd = -1;
			return r;
		}
		/* its last holder may have removed it while we waited at its door */
		if (lock_is_the_file(l->lock_fd, path))
			return 0;
		close(l->lock_fd);
	}
}

static void drop_lock(struct listener *l)
{
	char path[sizeof(l->address.sun_path) + sizeof(LOCK_SUFFIX)];

	snprintf(path, sizeof(path), "%s" LOCK_SUFFIX, l->address.sun_path);
	unlink(path);
	close(l->lock_fd);
}

/* --- making the socket --- */

/* Binds with a mode that lets no other user connect, and stores which file it is. */
static int bind_closed(struct listener *l)
{
	mode_t before = umask(0177);
	int r = bind(l->fd, (const struct sockaddr *)&l->address, sizeof(l->address)) ? -errno : 0;
	struct stat st;

	umask(before);
	if (r)
		return r;
	if (lstat(l->address.sun_path, &st))
		return -errno;
	l->bound = true;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

/* Group, then mode, then ears: in this order there is no moment at which a stranger gets in. */
static int bind_and_listen(struct listener *l, const struct listener_options *o, struct fault *why)
{
	const char *path = l->address.sun_path;
	int r;

	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r = l->fd < 0 ? -errno : bind_closed(l);
	if (r) {
		errno = -r;
		return fault_fail(why, r, "%s: %m", path);
	}
	if (o->group != (gid_t)-1 && lchown(path, (uid_t)-1, o->group)) {
		r = -errno;
		return fault_fail(why, r, "%s: cannot give it to group %u: %m", path, (unsigned)o->group);
	}
	if (chmod(path, o->mode & 0777) || listen(l->fd, SOMAXCONN)) {
		r = -errno;
		return fault_fail(why, r, "%s: %m", path);
	}
	return 0;
}

/* --- accepting --- */

/* The kernel gives the lowest number that is free: this one, or none below, and few are left. */
static bool is_reserved(int fd)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return false;
	rlim_t quarter = limit.rlim_cur / 4;
	rlim_t reserved = quarter < RESERVED_FDS ? quarter : RESERVED_FDS;
	return (rlim_t)fd >= limit.rlim_cur - reserved;
}

static bool are_fds_short(const struct listener *l)
{
	int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return true;
	close(fd);
	return is_reserved(fd);
}

/* A connection that cannot be accepted keeps the socket readable: without a pause the loop would spin. */
static void pause_accepting(struct listener *l, const char *why)
{
	l->counters.paused++;
	l->paused = true;
	if (!l->pause_logged)
		log_msg(LOG_L_WARNING, LOG_FIELDS({"socket", slice_of(l->address.sun_path)}),
			"accepts no connections for now: %s", why);
	l->pause_logged = true;
	loop_watch_set(l->watch, 0);
	loop_timer_at(l->pause, loop_now(l->loop) + PAUSE_MS);
}

static void on_pause_over(void *ctx)
{
	struct listener *l = ctx;

	l->paused = false;
	if (are_fds_short(l) || loop_watch_set(l->watch, LOOP_READ))
		pause_accepting(l, "too many are open");
}

static void note_accepted(struct listener *l)
{
	l->counters.accepted++;
	if (l->pause_logged)
		log_msg(LOG_L_NOTICE, LOG_FIELDS({"socket", slice_of(l->address.sun_path)}),
			"accepts connections again");
	l->pause_logged = false;
}

/* The watch rests while accepting waits for its share of a turn: otherwise the loop would not sleep. */
static void on_ready(void *ctx, unsigned events)
{
	struct listener *l = ctx;

	(void)events;
	loop_watch_set(l->watch, 0);
	/* a connection costs as much as many small requests */
	work_queue_resume(l->queue, &l->work);
}

/* Accepts one; false when there is none, or accepting pauses. */
static bool accept_one(void *ctx, size_t *bytes)
{
	struct listener *l = ctx;
	int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)bytes;
	if (fd >= 0) {
		note_accepted(l);
		/* this one is served, but sessions must not be without descriptors */
		if (is_reserved(fd))
			pause_accepting(l, "too many are open");
		/* may free l: its memory lasts to the end of the turn, its fd does not */
		l->accepted(l->ctx, fd);
		return l->fd >= 0 && !l->paused;
	}
	if (errno == EINTR || errno == ECONNABORTED)
		return true;
	if (errno != EAGAIN)
		pause_accepting(l, strerror(errno));
	return false;
}

static void on_rest(void *ctx)
{
	struct listener *l = ctx;

	if (work_item_busy(&l->work) || l->paused)
		return;
	if (loop_watch_set(l->watch, LOOP_READ))
		pause_accepting(l, "out of memory");
}

static const struct work_functions work_functions = {accept_one, on_rest};

/* --- life --- */

static void on_corpse(void *ctx)
{
	free(ctx);
}

/* Unless another file is there meanwhile. */
static void remove_path(const struct listener *l)
{
	struct stat st;

	if (lstat(l->address.sun_path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->address.sun_path);
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	work_queue_cancel(l->queue, &l->work);
	loop_watch_free(l->watch);
	loop_timer_free(l->pause);
	/* removed from the file system before it stops answering: no client finds a socket without a daemon */
	if (l->bound)
		remove_path(l);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	if (l->lock_fd >= 0)
		drop_lock(l);
	loop_reap(l->loop, &l->corpse, on_corpse, l);
}

DEFINE_FREEP(listener, listener_free)

static struct listener *new_listener(struct work_queue *work, listener_accepted *accepted, void *ctx)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l) {
		l->loop = work_queue_loop(work);
		l->queue = work;
		work_item_init(&l->work, &work_functions, l);
		l->fd = l->lock_fd = -1;
		l->accepted = accepted;
		l->ctx = ctx;
	}
	return l;
}

static int start(struct listener *l, int fd)
{
	int r = loop_timer_new(l->loop, on_pause_over, l, &l->pause);

	return r ? r : loop_watch_new(l->loop, fd, LOOP_READ, on_ready, l, &l->watch);
}

int listener_open(struct work_queue *work, const struct listener_options *options,
		  listener_accepted *accepted, void *ctx, struct fault *why,
		  struct listener **ret)
{
	CLEANUP(listener_freep) struct listener *l = NULL;
	int r = check_path(options->path, why);

	if (r == 0)
		r = check_directory(options->path, why);
	if (r)
		return r;
	l = new_listener(work, accepted, ctx);
	if (!l)
		return fault_fail(why, -ENOMEM, "%s: out of memory", options->path);
	l->address.sun_family = AF_UNIX;
	memcpy(l->address.sun_path, options->path, strlen(options->path));
	r = take_lock(l, why);
	if (r == 0)
		r = clear_path(&l->address, why);
	if (r == 0)
		r = bind_and_listen(l, options, why);
	if (r)
		return r;
	r = start(l, l->fd);
	if (r)
		return fault_fail(why, r, "%s: cannot watch it", options->path);
	*ret = TAKE(l);
	return 0;
}

int listener_adopt(struct work_queue *work, int fd, listener_accepted *accepted, void *ctx,
		   struct listener **ret)
{
	CLEANUP(listener_freep) struct listener *l = new_listener(work, accepted, ctx);
	socklen_t len;
	int flags, r;

	if (!l)
		return -ENOMEM;
	len = sizeof(l->address) - 1;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC) ||
	    getsockname(fd, (struct sockaddr *)&l->address, &len))
		return -errno;
	r = start(l, fd);
	if (r)
		return r;
	/* from here on it is ours to close */
	l->fd = fd;
	*ret = TAKE(l);
	return 0;
}

const char *listener_path(const struct listener *l)
{
	return l->address.sun_path;
}

const struct listener_counters *listener_counters(const struct listener *l)
{
	return &l->counters;
}
