// SPDX-License-Identifier: BSD-2-Clause
/*
 * The instance's directory in the bpffs. Whoever holds its lock owns the instance; the lock dies
 * with the process, the pins do not.
 */
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

const char *const accel_map_names[ACCEL_MAPS] = {
	"endpoints", "nearby", "index",	 "slots",    "exchanges", "secret",
	"config",    "stats",  "limits", "verified", "prefixes",
};

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

static int make_directory(const char *path)
{
	return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -errno;
}

/* -ESTALE: it was removed in between. */
static int try_lock(struct coax_accel *accel)
{
	int err = make_directory(COAX_PIN_ROOT);
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

int accel_pins_lock(struct coax_accel *accel)
{
	int err = have_bpffs(accel);

	if (err)
		return err;
	snprintf(accel->directory, sizeof(accel->directory), COAX_PIN_ROOT "/%s", accel->instance);
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

static void unlink_pins(const struct coax_accel *accel)
{
	char path[PIN_PATH_MAX];

	for (size_t i = 0; i < ACCEL_MAPS; i++)
		unlink(pin_path(accel, accel_map_names[i], path));
}

void accel_pins_remove(const struct coax_accel *accel)
{
	unlink_pins(accel);
	rmdir(accel->directory);
	rmdir(COAX_PIN_ROOT); /* unless other instances are there */
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

bool accel_pins_reuse(const struct coax_accel *accel, struct bpf_object *object)
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
	if (found && !fit) {
		coax_log(&accel->logger, COAX_LOG_INFO,
			 "the maps in %s are of another kind: making new ones", accel->directory);
		unlink_pins(accel);
	}
	return fit;
}

int accel_pins_create(const struct coax_accel *accel, struct bpf_object *object)
{
	char path[PIN_PATH_MAX];
	int err;

	for (size_t i = 0; i < ACCEL_MAPS; i++) {
		err = bpf_map__pin(bpf_object__find_map_by_name(object, accel_map_names[i]),
				   pin_path(accel, accel_map_names[i], path));
		if (err) {
			coax_log(&accel->logger, COAX_LOG_WARNING, "cannot pin a map at %s: %s",
				 path, strerror(-err));
			return err;
		}
	}
	return 0;
}
