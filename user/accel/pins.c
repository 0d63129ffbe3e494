// SPDX-License-Identifier: BSD-2-Clause
/*
 * The instance's directory in the bpffs. Whoever holds its lock owns the instance; the lock dies
 * with the process, the pins do not.
 *
 *	v3-0/index		a map, below the version of its layout and a number
 *	current -> v3-0		which ones hold
 *	index -> current/index	where people and tools look
 *	link-3			what attaches the program to interface 3 (link.c)
 *
 * Whoever takes over from a living owner makes its maps beside those that hold, and then they
 *change places at once.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "accel/internal.h"

#define BPFFS	     "/sys/fs/bpf"
#define LOCK_RETRIES 8
#define PIN_PATH_MAX 256
#define CURRENT	     "current"
/* For a moment, where `current` is made. */
#define NEXT	    "next"
#define NUMBERS_MAX 1000000

const char *const accel_map_names[ACCEL_MAPS] = {
	"endpoints", "nearby", "index",	 "slots",    "exchanges", "secret",
	"config",    "stats",  "limits", "verified", "prefixes",  "sessions",
};

/* What goes on with the next owner: it says nothing that a change could make wrong. */
static const char *const carried[] = {"stats", "exchanges", "secret"};

bool accel_is_map_name(const char *map)
{
	for (size_t i = 0; i < ACCEL_MAPS; i++)
		if (strcmp(map, accel_map_names[i]) == 0)
			return true;
	return false;
}

bool coax_accel_instance_is_valid(const char *instance)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-";
	size_t length = strlen(instance);

	if (!length || length > COAX_ACCEL_INSTANCE_MAX)
		return false;
	/* No dots: a bpffs keeps those names for itself. */
	return strspn(instance, allowed) == length;
}

static int make_directory(const char *path)
{
	return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -errno;
}

static int have_bpffs(const struct coax_accel *accel)
{
	struct statfs fs;
	int err;

	if (statfs(BPFFS, &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (mount("bpf", BPFFS, "bpf", 0, "mode=0700") == 0) {
		coax_log(&accel->logger, COAX_LOG_INFO, "mounted a bpffs at " BPFFS);
		return 0;
	}
	err = -errno;
	coax_log(&accel->logger, COAX_LOG_WARNING,
		 "there is no bpffs at " BPFFS " and mounting one fails: %s; run as root, or have "
		 "root run: mount -t bpf bpf " BPFFS,
		 strerror(-err));
	return err;
}

/* All in a directory of a bpffs, and what is in those. Names that lead elsewhere are not followed.
 */
static void give_directory(int parent, const char *name, uid_t user, gid_t group)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	struct statfs fs;

	if (!entries || fstatfs(fd, &fs) != 0 || fs.f_type != BPF_FS_MAGIC)
		goto out;
	if (fchown(fd, user, group) != 0)
		goto out;
	while ((entry = readdir(entries))) {
		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type == DT_DIR)
			give_directory(fd, entry->d_name, user, group);
		else if (fchownat(fd, entry->d_name, user, group, AT_SYMLINK_NOFOLLOW) != 0)
			break;
	}
out:
	if (entries)
		closedir(entries);
	else if (fd >= 0)
		close(fd);
}

void coax_accel_give(const char *instance, uid_t user, gid_t group)
{
	char path[PIN_PATH_MAX];
	struct statfs fs;

	if (make_directory(COAX_PIN_ROOT) || statfs(COAX_PIN_ROOT, &fs) ||
	    fs.f_type != BPF_FS_MAGIC || lchown(COAX_PIN_ROOT, user, group))
		return;
	snprintf(path, sizeof(path), COAX_PIN_ROOT "/%s", instance);
	give_directory(AT_FDCWD, path, user, group);
}

static const char *pin_path(const struct coax_accel *accel, const char *map,
			    char path[PIN_PATH_MAX])
{
	snprintf(path, PIN_PATH_MAX, "%s/%s", accel->directory, map);
	return path;
}

static int open_pin(const struct coax_accel *accel, const char *map)
{
	char path[PIN_PATH_MAX];

	return bpf_obj_get(pin_path(accel, map, path));
}

/* What is in a config map; zeros if it is of another layout. */
static void read_config(int fd, const struct bpf_map_info *info, struct coax_config *config)
{
	const uint32_t only = 0;

	memset(config, 0, sizeof(*config));
	if (info->value_size == sizeof(*config))
		bpf_map_lookup_elem(fd, &only, config);
	if (config->layout != COAX_LAYOUT)
		memset(config, 0, sizeof(*config));
}

uint32_t accel_pins_former(const struct coax_accel *accel, struct coax_config *former)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);
	int fd = open_pin(accel, "config");

	memset(former, 0, sizeof(*former));
	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
		read_config(fd, &info, former);
	close(fd);
	return info.id;
}

void accel_pins_revoke(const struct coax_accel *accel, struct coax_config *former)
{
	const uint32_t only = 0;
	int fd = open_pin(accel, "config");

	if (fd < 0)
		return;
	former->enabled = 0;
	former->lease = 0;
	bpf_map_update_elem(fd, &only, former, BPF_EXIST);
	close(fd);
}

static uint32_t pid_of_owner(const struct coax_accel *accel)
{
	struct coax_config config;

	accel_pins_former(accel, &config);
	return config.pid;
}

/* Whether the directory that was opened is the one of that name still. */
static bool is_current(int fd, const char *path)
{
	struct stat opened, named;

	return fstat(fd, &opened) == 0 && stat(path, &named) == 0 &&
	       opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

/* Later, paths may be out of our reach, if only the directories are ours. */
static int open_root(struct coax_accel *accel)
{
	int err = make_directory(COAX_PIN_ROOT);

	if (err)
		return err;
	if (accel->root_fd >= 0)
		close(accel->root_fd);
	accel->root_fd = open(COAX_PIN_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return accel->root_fd < 0 ? -errno : 0;
}

/* -ESTALE: it was removed in between. */
static int try_lock(struct coax_accel *accel)
{
	int err = open_root(accel);
	int fd;

	if (!err)
		err = make_directory(accel->directory);
	if (err)
		return err;
	fd = open(accel->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else if (!is_current(fd, accel->directory))
		err = -ESTALE;
	if (err)
		close(fd);
	else
		accel->directory_fd = fd;
	return err;
}

/* The lock belongs to what was opened, which both owners have now. */
static int share_lock(struct coax_accel *accel, int lock)
{
	int err = open_root(accel);

	if (err)
		return err;
	if (!is_current(lock, accel->directory) || flock(lock, LOCK_EX | LOCK_NB) != 0)
		return -ESTALE;
	accel->directory_fd = fcntl(lock, F_DUPFD_CLOEXEC, 0);
	return accel->directory_fd < 0 ? -errno : 0;
}

int accel_pins_lock(struct coax_accel *accel, int lock)
{
	int err = have_bpffs(accel);

	if (err)
		return err;
	snprintf(accel->directory, sizeof(accel->directory), COAX_PIN_ROOT "/%s", accel->instance);
	if (lock) {
		err = share_lock(accel, lock);
		if (err)
			coax_log(&accel->logger, COAX_LOG_WARNING,
				 "what was handed over is not instance '%s': %s", accel->instance,
				 strerror(-err));
		return err;
	}
	err = -ESTALE;
	for (int i = 0; i < LOCK_RETRIES && (err == -ESTALE || err == -ENOENT); i++)
		err = try_lock(accel);
	if (err == -EBUSY)
		coax_log(&accel->logger, COAX_LOG_WARNING,
			 "instance '%s' belongs to another process (pid %u): stop that, or choose "
			 "another instance name",
			 accel->instance, pid_of_owner(accel));
	else if (err)
		coax_log(&accel->logger, COAX_LOG_WARNING, "cannot use %s: %s%s", accel->directory,
			 strerror(-err), err == -EACCES || err == -EPERM ? "; run as root" : "");
	return err;
}

/* Whether a name in the instance's directory is to stay. */
typedef bool keep_entry(const struct coax_accel *accel, const char *name);

static bool keep_nothing(const struct coax_accel *accel, const char *name)
{
	(void)accel;
	(void)name;
	return false;
}

static void remove_entries(const struct coax_accel *accel, int directory, keep_entry *keep);

static void remove_directory(const struct coax_accel *accel, int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	remove_entries(accel, fd, keep_nothing);
	close(fd);
	unlinkat(parent, name, AT_REMOVEDIR);
}

static void remove_entries(const struct coax_accel *accel, int directory, keep_entry *keep)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (entries && (entry = readdir(entries))) {
		if (entry->d_name[0] == '.' || keep(accel, entry->d_name))
			continue;
		if (unlinkat(directory, entry->d_name, 0) != 0)
			remove_directory(accel, directory, entry->d_name);
	}
	if (entries)
		closedir(entries);
	else if (fd >= 0)
		close(fd);
}

void accel_pins_remove(const struct coax_accel *accel)
{
	remove_entries(accel, accel->directory_fd, keep_nothing);
	unlinkat(accel->root_fd, accel->instance, AT_REMOVEDIR);
	rmdir(COAX_PIN_ROOT); /* unless other instances are there */
}

void accel_pins_withdraw(const struct coax_accel *accel)
{
	if (*accel->generation)
		remove_directory(accel, accel->directory_fd, accel->generation);
}

static bool fits(int fd, const struct bpf_map *map)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map) &&
	       info.map_flags == bpf_map__map_flags(map);
}

/* Only for a map that fits. */
static bool layout_fits(int config_fd)
{
	struct coax_config config;
	const uint32_t only = 0;

	return bpf_map_lookup_elem(config_fd, &only, &config) == 0 && config.layout == COAX_LAYOUT;
}

static bool read_current(struct coax_accel *accel)
{
	ssize_t length = readlinkat(accel->directory_fd, CURRENT, accel->generation,
				    sizeof(accel->generation) - 1);

	accel->generation[length > 0 ? length : 0] = 0;
	return length > 0;
}

bool accel_pins_reuse(struct coax_accel *accel, struct bpf_object *object)
{
	int fds[ACCEL_MAPS];
	bool found = false;
	bool fit = true;

	for (size_t i = 0; i < ACCEL_MAPS; i++) {
		const char *name = accel_map_names[i];
		const struct bpf_map *map = bpf_object__find_map_by_name(object, name);

		fds[i] = open_pin(accel, name);
		found |= fds[i] >= 0;
		fit &= fds[i] >= 0 && fits(fds[i], map) &&
		       (strcmp(name, "config") != 0 || layout_fits(fds[i]));
	}
	for (size_t i = 0; fit && i < ACCEL_MAPS; i++)
		fit = bpf_map__reuse_fd(bpf_object__find_map_by_name(object, accel_map_names[i]),
					fds[i]) == 0;
	for (size_t i = 0; i < ACCEL_MAPS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	fit = fit && read_current(accel);
	if (found && !fit)
		coax_log(&accel->logger, COAX_LOG_INFO,
			 "the maps in %s are of another kind: making new ones", accel->directory);
	if (!fit)
		remove_entries(accel, accel->directory_fd, keep_nothing);
	return fit;
}

void accel_pins_carry(const struct coax_accel *accel, struct bpf_object *object)
{
	for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, carried[i]);
		int fd = open_pin(accel, carried[i]);

		if (fd < 0)
			continue;
		if (fits(fd, map))
			bpf_map__reuse_fd(map, fd);
		close(fd);
	}
}

static int make_generation(struct coax_accel *accel)
{
	for (unsigned int i = 0; i < NUMBERS_MAX; i++) {
		snprintf(accel->generation, sizeof(accel->generation), "v%d-%u", COAX_LAYOUT, i);
		if (mkdirat(accel->directory_fd, accel->generation, 0755) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	*accel->generation = 0;
	return -errno;
}

int accel_pins_create(struct coax_accel *accel, struct bpf_object *object)
{
	char path[PIN_PATH_MAX];
	int err = make_generation(accel);

	if (err)
		coax_log(&accel->logger, COAX_LOG_WARNING, "cannot make a directory in %s: %s",
			 accel->directory, strerror(-err));
	for (size_t i = 0; i < ACCEL_MAPS && !err; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", accel->directory, accel->generation,
			 accel_map_names[i]);
		err = bpf_obj_pin(bpf_object__find_map_fd_by_name(object, accel_map_names[i]),
				  path);
		if (err)
			coax_log(&accel->logger, COAX_LOG_WARNING, "cannot pin a map at %s: %s",
				 path, strerror(-err));
	}
	return err;
}

static bool is_link(const char *name)
{
	return strncmp(name, ACCEL_LINK_PREFIX, strlen(ACCEL_LINK_PREFIX)) == 0;
}

/* With this owner in force: former maps go, and the names of those that are no more. */
static bool is_in_force(const struct coax_accel *accel, const char *name)
{
	return is_link(name) || strcmp(name, CURRENT) == 0 ||
	       strcmp(name, accel->generation) == 0 || accel_is_map_name(name);
}

int accel_pins_publish(const struct coax_accel *accel)
{
	int directory = accel->directory_fd;
	char target[64];

	unlinkat(directory, NEXT, 0);
	if (symlinkat(accel->generation, directory, NEXT) != 0 ||
	    renameat(directory, NEXT, directory, CURRENT) != 0)
		return -errno;
	for (size_t i = 0; i < ACCEL_MAPS; i++) {
		snprintf(target, sizeof(target), CURRENT "/%s", accel_map_names[i]);
		if (symlinkat(target, directory, accel_map_names[i]) != 0 && errno != EEXIST)
			return -errno;
	}
	remove_entries(accel, directory, is_in_force);
	return 0;
}
