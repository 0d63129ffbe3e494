/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names that name lookups know, as a test says.
 */
#ifndef COAX_TESTS_HOSTS_H
#define COAX_TESTS_HOSTS_H

#include <sched.h>
#include <sys/mount.h>
#include "harness.h"

/* From now on a file has this in it, for this process. */
static inline void set_file(const char *file, const char *text)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/XXXXXX", harness_directory());
	fd = mkstemp(path);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	if (access(file, F_OK))
		SKIP("a file that name lookups read is not there to be replaced");
	ASSERT_EQ(mount(path, file, NULL, MS_BIND, NULL), 0);
	close(fd);
	unlink(path);
}

static inline void own_files(void)
{
	if (unshare(CLONE_NEWNS))
		SKIP("needs a mount namespace of its own");
	ASSERT_EQ(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
}

/* From now on these are the names that there are. */
static inline void set_hosts(const char *hosts)
{
	own_files();
	set_file("/etc/hosts", hosts);
	set_file("/etc/nsswitch.conf", "hosts: files\n");
}

#endif
