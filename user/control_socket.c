// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "control_socket.h"

/* Descriptors below are for input and output of the process. */
#define FIRST_FD 3

/* For how long who listens may let nobody in. */
#define PATIENCE_S 5

static int name_socket(struct sockaddr_un *address, const char *prefix, const char *instance)
{
	int length;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	length = snprintf(address->sun_path, sizeof(address->sun_path),
			  COAX_CONTROL_DIRECTORY "/%s%s", prefix, instance);
	return length < (int)sizeof(address->sun_path) ? 0 : -ENAMETOOLONG;
}

static int open_socket(int flags)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);

	return fd < 0 ? -errno : fd;
}

static int connect_to(const char *instance, int flags)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un address;
	int err = name_socket(&address, "", instance);
	int fd = err ? err : open_socket(flags);

	if (fd < 0)
		return fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int coax_control_connect(const char *instance)
{
	int fd = connect_to(instance, 0);

	return fd == -EAGAIN ? -ETIMEDOUT : fd;
}

bool coax_control_is_taken(const char *instance)
{
	int fd = connect_to(instance, SOCK_NONBLOCK);

	/* Who lets nobody in listens nevertheless, and is not waited for. */
	if (fd < 0)
		return fd == -EAGAIN;
	close(fd);
	return true;
}

/* What a killed daemon left there listens no more: whoever listens moves in. */
static int bind_and_listen(int fd, const char *instance)
{
	struct sockaddr_un hidden, address;
	int err = name_socket(&hidden, ".", instance);

	if (!err)
		err = name_socket(&address, "", instance);
	if (err)
		return err;
	unlink(hidden.sun_path);
	if (bind(fd, (struct sockaddr *)&hidden, sizeof(hidden)) != 0 ||
	    chmod(hidden.sun_path, 0600) != 0 || listen(fd, 8) != 0 ||
	    rename(hidden.sun_path, address.sun_path) != 0) {
		err = -errno;
		unlink(hidden.sun_path);
	}
	return err;
}

static int make_directory(void)
{
	return mkdir(COAX_CONTROL_DIRECTORY, 0755) == 0 || errno == EEXIST ? 0 : -errno;
}

static bool is_anybody_listening(void)
{
	DIR *directory = opendir(COAX_CONTROL_DIRECTORY);
	const struct dirent *entry;
	bool any = false;

	while (directory && !any && (entry = readdir(directory)))
		any = coax_control_is_taken(entry->d_name);
	if (directory)
		closedir(directory);
	return any;
}

int coax_control_give(uid_t user, gid_t group)
{
	struct stat status;
	int err = make_directory();

	if (err)
		return err;
	if (lstat(COAX_CONTROL_DIRECTORY, &status) != 0)
		return -errno;
	if (status.st_uid != user && is_anybody_listening())
		return -EBUSY;
	return lchown(COAX_CONTROL_DIRECTORY, user, group) == 0 ? 0 : -errno;
}

int coax_control_listen(const char *instance, bool replace)
{
	int fd, err = make_directory();

	if (err)
		return err;
	if (!replace && coax_control_is_taken(instance))
		return -EADDRINUSE;
	fd = open_socket(0);
	if (fd < 0)
		return fd;
	err = bind_and_listen(fd, instance);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

void coax_control_unlink(const char *instance)
{
	struct sockaddr_un address;

	if (name_socket(&address, "", instance) == 0)
		unlink(address.sun_path);
}

int coax_control_accept(int listener)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	    (peer.uid == 0 || peer.uid == geteuid()))
		return fd;
	close(fd);
	return -EPERM;
}

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(COAX_CONTROL_FDS_MAX * sizeof(int))];
};

int coax_control_send(int connection, const char *line, const int *fds, size_t count)
{
	struct iovec iov = {.iov_base = (void *)line, .iov_len = strlen(line)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	union control control = {0};

	if (count) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	}
	if (sendmsg(connection, &message, MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int wait_for_line(int connection, int timeout_ms, int other)
{
	struct pollfd fds[] = {{.fd = connection, .events = POLLIN},
			       {.fd = other, .events = POLLIN}};
	int count;

	do
		count = poll(fds, 2, timeout_ms);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		return -errno;
	if (!count)
		return -ETIMEDOUT;
	return fds[0].revents ? 0 : -EINTR;
}

/* All that came are taken, or closed where there is no room. */
static size_t take_fds(struct msghdr *message, int *fds, size_t room)
{
	size_t count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t sent = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < sent; i++) {
			int fd, high;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			high = count < room ? fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD) : -1;
			close(fd);
			if (high >= 0)
				fds[count++] = high;
		}
	}
	return count;
}

int coax_control_receive(int connection, char line[COAX_CONTROL_LINE_MAX], int *fds, size_t *count,
			 int timeout_ms, int other)
{
	struct iovec iov = {.iov_base = line, .iov_len = COAX_CONTROL_LINE_MAX - 1};
	union control control;
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	size_t room = count ? *count : 0;
	size_t taken;
	ssize_t length;
	int err = wait_for_line(connection, timeout_ms, other);

	if (count)
		*count = 0;
	if (err)
		return err;
	length = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
	if (length < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	taken = take_fds(&message, fds, room);
	if (count)
		*count = taken;
	if (!length)
		return -EPIPE;
	line[length] = 0;
	return message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EPROTO : 0;
}
