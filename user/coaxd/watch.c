// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <urcu/hlist.h>
#include "coaxd/beneath.h"
#include "coaxd/path.h"
#include "coaxd/watch.h"
#include "hash.h"

#define EVENTS                                                                            \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | \
	 IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)

/* Those by which a directory's entries come and go. */
#define LISTED	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)

#define BUCKETS 1024

/* Not in every <linux/magic.h>. */
#define XFS_MAGIC   0x58465342
#define UBIFS_MAGIC 0x24051905
#define ZFS_MAGIC   0x2fc12fc1

struct directory {
	struct cds_hlist_node by_path;
	struct cds_hlist_node by_number;
	int number; /* inotify's watch descriptor */
	size_t length;
	char path[];
};

struct coaxd_watch {
	pthread_mutex_t lock; /* all below, and that events are told in their order */
	struct cds_hlist_head by_path[BUCKETS];
	struct cds_hlist_head by_number[BUCKETS];
	size_t count;
	size_t max;
	bool complained;

	int root;
	int inotify;
	int stop;
	pthread_t thread;
	struct coax_hash_key key;
	const struct coaxd_watch_ops *ops;
	void *arg;
	const struct coax_logger *logger;
};

static struct cds_hlist_head *path_bucket(struct coaxd_watch *watch, const char *path,
					  size_t length)
{
	return &watch->by_path[coax_hash(&watch->key, path, length) % BUCKETS];
}

static struct directory *find_by_path(struct coaxd_watch *watch, const char *path, size_t length)
{
	struct cds_hlist_node *node = path_bucket(watch, path, length)->next;

	for (; node; node = node->next) {
		struct directory *directory = cds_hlist_entry(node, struct directory, by_path);

		if (directory->length == length && memcmp(directory->path, path, length) == 0)
			return directory;
	}
	return NULL;
}

static struct directory *find_by_number(struct coaxd_watch *watch, int number)
{
	struct cds_hlist_node *node = watch->by_number[(unsigned int)number % BUCKETS].next;

	for (; node; node = node->next) {
		struct directory *directory = cds_hlist_entry(node, struct directory, by_number);

		if (directory->number == number)
			return directory;
	}
	return NULL;
}

static int remember(struct coaxd_watch *watch, const char *path, size_t length, int number)
{
	struct directory *directory = malloc(sizeof(*directory) + length + 1);

	if (!directory)
		return -ENOMEM;
	directory->number = number;
	directory->length = length;
	memcpy(directory->path, path, length);
	directory->path[length] = '\0';
	cds_hlist_add_head(&directory->by_path, path_bucket(watch, path, length));
	cds_hlist_add_head(&directory->by_number,
			   &watch->by_number[(unsigned int)number % BUCKETS]);
	watch->count++;
	return 0;
}

static void forget(struct coaxd_watch *watch, struct directory *directory)
{
	cds_hlist_del(&directory->by_path);
	cds_hlist_del(&directory->by_number);
	watch->count--;
	inotify_rm_watch(watch->inotify, directory->number);
	free(directory);
}

static void forget_all(struct coaxd_watch *watch)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct directory *directory;

		while (watch->by_path[i].next) {
			directory =
				cds_hlist_entry(watch->by_path[i].next, struct directory, by_path);
			forget(watch, directory);
		}
	}
}

/*
 * The paths of watched directories, or what is in them, are not what they were. Events still
 * queued for the watches given up are about times before this one, which this covers.
 */
static void start_over(struct coaxd_watch *watch)
{
	forget_all(watch);
	watch->ops->changed_all(watch->arg);
}

static void tell(struct coaxd_watch *watch, const struct inotify_event *event)
{
	char path[COAXD_PATH_MAX + 1 + NAME_MAX + 1];
	struct directory *directory;
	size_t length;

	if (event->mask & IN_Q_OVERFLOW) {
		coax_log(watch->logger, COAX_LOG_INFO,
			 "more files changed at once than the kernel tells: all are read again");
		start_over(watch);
		return;
	}
	directory = find_by_number(watch, event->wd);
	if (!directory)
		return;
	if (event->len == 0) {
		/* About the directory itself. Its attributes may be the right to look into it. */
		start_over(watch);
		return;
	}
	/* Nothing with such a name is served, and the daemon's own temporary files have one. */
	if (event->name[0] == '.')
		return;

	length = (size_t)snprintf(path, sizeof(path), "%s%s%s", directory->path,
				  directory->length ? "/" : "", event->name);
	/*
	 * That a watched directory was made is old news: it was watched after that, or its
	 * predecessor's end has been told before.
	 */
	if (!(event->mask & IN_CREATE) && find_by_path(watch, path, length))
		start_over(watch);
	else
		watch->ops->changed(watch->arg, path, length, event->mask & LISTED);
}

void coaxd_watch_catch_up(struct coaxd_watch *watch)
{
	_Alignas(struct inotify_event) char events[8192];
	ssize_t length;

	pthread_mutex_lock(&watch->lock);
	while ((length = read(watch->inotify, events, sizeof(events))) > 0) {
		for (ssize_t at = 0; at < length;) {
			const struct inotify_event *event = (const void *)(events + at);

			tell(watch, event);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	pthread_mutex_unlock(&watch->lock);
}

static void *tell_on(void *arg)
{
	struct coaxd_watch *watch = arg;
	struct pollfd fds[] = {
		{.fd = watch->inotify, .events = POLLIN},
		{.fd = watch->stop, .events = POLLIN},
	};

	while (!fds[1].revents) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			coaxd_watch_catch_up(watch);
	}
	return NULL;
}

/*
 * File systems all of whose changes pass through this kernel, and which take names as they
 * are. Others' events are incomplete (network, FUSE, /proc), or one file has many names (FAT).
 */
static bool tells_everything(int root)
{
	struct statfs status;

	if (fstatfs(root, &status))
		return false;
	switch ((unsigned long)status.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
	case UBIFS_MAGIC:
	case JFFS2_SUPER_MAGIC:
	case SQUASHFS_MAGIC:
	case EROFS_SUPER_MAGIC_V1:
	case ZFS_MAGIC:
		return true;
	default:
		return false;
	}
}

/* In a directory that folds letter case, an event's name is not the only one that it is about. */
static bool folds_case(int fd)
{
	int flags;

	return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_CASEFOLD_FL);
}

/* Not before the watch stands is it sure that a later renaming is told; so look again. */
static bool is_still(struct coaxd_watch *watch, const char *path, int fd)
{
	int again = coaxd_open_beneath(watch->root, path, O_PATH | O_DIRECTORY);
	struct stat then, now;
	bool same;

	if (again < 0)
		return false;
	same = fstat(fd, &then) == 0 && fstat(again, &now) == 0 && then.st_dev == now.st_dev &&
	       then.st_ino == now.st_ino;
	close(again);
	return same;
}

static int add_opened(struct coaxd_watch *watch, const char *path, size_t length, int fd)
{
	char link[64];
	int number, err;

	if (folds_case(fd))
		return -EOPNOTSUPP;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	number = inotify_add_watch(watch->inotify, link, EVENTS | IN_ONLYDIR);
	if (number < 0)
		return -errno;
	/* Watched under another path: it was renamed, which is about to be told. */
	if (find_by_number(watch, number))
		return -EAGAIN;

	err = remember(watch, path, length, number);
	if (err) {
		inotify_rm_watch(watch->inotify, number);
		return err;
	}
	if (!is_still(watch, path, fd)) {
		forget(watch, find_by_number(watch, number));
		return -EAGAIN;
	}
	return 0;
}

static int add(struct coaxd_watch *watch, const char *path, size_t length)
{
	int fd, err;

	if (watch->count == watch->max)
		return -ENOSPC;
	fd = coaxd_open_beneath(watch->root, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	err = add_opened(watch, path, length, fd);
	close(fd);
	return err;
}

static void complain(struct coaxd_watch *watch, const char *path, int err)
{
	char target[COAXD_TARGET_MAX];

	/* These pass by: the directory is being moved or removed. */
	if (err == -EAGAIN || err == -ENOENT || err == -ENOTDIR || watch->complained)
		return;
	watch->complained = true;
	coaxd_path_target(path, NULL, target);
	coax_log(watch->logger, COAX_LOG_WARNING,
		 "cannot watch \"%s\" for changes (%s): files there, and in others like it, are "
		 "read from disk for each request%s",
		 target, strerror(-err),
		 err == -ENOSPC ? "; raise fs.inotify.max_user_watches if that is the limit" : "");
}

/* One directory; those above are watched. */
static bool ensure(struct coaxd_watch *watch, const char *path, size_t length)
{
	char text[COAXD_PATH_MAX + 1];
	int err;

	if (find_by_path(watch, path, length))
		return true;
	memcpy(text, path, length);
	text[length] = '\0';
	err = add(watch, text, length);
	if (err)
		complain(watch, text, err);
	return !err;
}

bool coaxd_watch_directory(struct coaxd_watch *watch, const char *path, size_t length)
{
	bool watched = false;

	if (length > COAXD_PATH_MAX)
		return false;
	pthread_mutex_lock(&watch->lock);
	if (watch->max == 0)
		goto out;
	if (!ensure(watch, path, 0))
		goto out;
	for (size_t end = 1; end <= length; end++)
		if ((end == length || path[end] == '/') && !ensure(watch, path, end))
			goto out;
	watched = true;
out:
	pthread_mutex_unlock(&watch->lock);
	return watched;
}

int coaxd_watch_create(struct coaxd_watch **result, int root, size_t directories_max,
		       const struct coaxd_watch_ops *ops, void *arg,
		       const struct coax_logger *logger)
{
	struct coaxd_watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return -ENOMEM;
	watch->root = root;
	watch->max = directories_max;
	watch->ops = ops;
	watch->arg = arg;
	watch->logger = logger;
	watch->stop = -1;
	pthread_mutex_init(&watch->lock, NULL);

	watch->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->inotify < 0) {
		err = -errno;
		goto out;
	}
	watch->stop = eventfd(0, EFD_CLOEXEC);
	if (watch->stop < 0) {
		err = -errno;
		goto out;
	}
	err = coax_hash_key_random(&watch->key);
	if (err)
		goto out;
	if (!tells_everything(root)) {
		coax_log(logger, COAX_LOG_WARNING,
			 "changes of files in this kind of file system are not all told: each "
			 "request reads its file from disk");
		watch->max = 0;
	}
	err = -pthread_create(&watch->thread, NULL, tell_on, watch);
	if (err)
		goto out;
	*result = watch;
	return 0;
out:
	if (watch->inotify >= 0)
		close(watch->inotify);
	if (watch->stop >= 0)
		close(watch->stop);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
	return err;
}

void coaxd_watch_destroy(struct coaxd_watch *watch)
{
	if (!watch)
		return;
	eventfd_write(watch->stop, 1);
	pthread_join(watch->thread, NULL);
	forget_all(watch);
	close(watch->inotify);
	close(watch->stop);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}
