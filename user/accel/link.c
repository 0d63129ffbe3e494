// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program that is alone on its interface is attached by a BPF link. Pinned in the instance's
 * directory it stays when the daemon is killed, until its lease ends the answers; the next owner
 * finds it there, and one that takes over from a living owner puts its program into it, so that no
 * packet meets none or two.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "accel/internal.h"
#include "bpf/coax.skel.h"

#define NAME_MAX_LENGTH 32

static const char *name_of(uint32_t ifindex, char name[NAME_MAX_LENGTH])
{
	/* Not the interface's name: a bpffs takes none with a dot. */
	snprintf(name, NAME_MAX_LENGTH, ACCEL_LINK_PREFIX "%u", ifindex);
	return name;
}

static int pin(const struct coax_accel *accel, int fd, uint32_t ifindex)
{
	char name[NAME_MAX_LENGTH];
	char path[64];

	name_of(ifindex, name);
	/* What is there is of an interface that had the number before. */
	unlinkat(accel->directory_fd, name, 0);
	/* Of what is above the directory not all may be open to us. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", accel->directory_fd, name);
	return bpf_obj_pin(fd, path);
}

int accel_bpf_link_attach(const struct coax_accel *accel, struct accel_interface *interface,
			  uint32_t ifindex, uint32_t mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, options);
	int fd, err;

	options.flags = mode;
	fd = bpf_link_create(bpf_program__fd(interface->program->progs.coax_xdp), (int)ifindex,
			     BPF_XDP, &options);
	if (fd < 0)
		return fd;
	err = pin(accel, fd, ifindex);
	if (err) {
		close(fd);
		return err;
	}
	interface->link_fd = fd;
	return 0;
}

static int open_link(const struct coax_accel *accel, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", accel->directory, name);
	return bpf_obj_get(path);
}

/* Numbers of interfaces repeat in other network namespaces: programs' do not. */
static bool is_on(int fd, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, attached);
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.xdp.ifindex == ifindex &&
	       bpf_xdp_query((int)ifindex, 0, &attached) == 0 && attached.prog_id == info.prog_id;
}

int accel_bpf_link_find(const struct coax_accel *accel, uint32_t ifindex)
{
	char name[NAME_MAX_LENGTH];
	int fd = open_link(accel, name_of(ifindex, name));

	if (fd < 0)
		return -ENOENT;
	if (is_on(fd, ifindex))
		return fd;
	close(fd);
	return -ENOENT;
}

void accel_bpf_link_close(const struct coax_accel *accel, struct accel_interface *interface)
{
	char name[NAME_MAX_LENGTH];

	/* Without a number it is the former owner's still. */
	if (!accel->handed_over && interface->ifindex) {
		bpf_link_detach(interface->link_fd);
		unlinkat(accel->directory_fd, name_of(interface->ifindex, name), 0);
	}
	close(interface->link_fd);
	interface->link_fd = -1;
}

static bool is_ours(const struct coax_accel *accel, const char *name)
{
	unsigned long ifindex = strtoul(name + strlen(ACCEL_LINK_PREFIX), NULL, 10);

	for (size_t i = 0; i < accel->interface_count; i++)
		if (accel->interfaces[i].link_fd >= 0 && accel->interfaces[i].ifindex == ifindex)
			return true;
	return false;
}

static void clear_one(const struct coax_accel *accel, const char *name)
{
	int fd = open_link(accel, name);
	int err = 0;

	if (fd >= 0) {
		err = bpf_link_detach(fd);
		close(fd);
	}
	if (err)
		coax_log(&accel->logger, COAX_LOG_WARNING,
			 "cannot detach %s, left by a process that is gone: %s", name,
			 strerror(-err));
	else
		coax_log(&accel->logger, COAX_LOG_INFO, "detached %s of the former owner", name);
	unlinkat(accel->directory_fd, name, 0);
}

void accel_bpf_links_clear(const struct coax_accel *accel)
{
	int fd = openat(accel->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (entries && (entry = readdir(entries)))
		if (strncmp(entry->d_name, ACCEL_LINK_PREFIX, strlen(ACCEL_LINK_PREFIX)) == 0 &&
		    !is_ours(accel, entry->d_name))
			clear_one(accel, entry->d_name);
	if (entries)
		closedir(entries);
	else if (fd >= 0)
		close(fd);
}
