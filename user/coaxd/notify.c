// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/notify.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <coax/control.h>

#define MESSAGE_MAX 1024
/* Less than any interval; a worker that is busy for longer is asked again after the next one. */
#define SIGN_TIMEOUT_MS 500
#define INTERVAL_MAX_MS 60000

/* Returns its length, 0: there is no such socket. */
static socklen_t manager_address(struct sockaddr_un *address)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t length = name ? strlen(name) : 0;

	if (length < 2 || length >= sizeof(address->sun_path) || (*name != '/' && *name != '@'))
		return 0;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path, name, length);
	if (*name == '@')
		address->sun_path[0] = '\0'; /* a name that is in no file system */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

void coaxd_notify(const char *format, ...)
{
	char message[MESSAGE_MAX];
	struct sockaddr_un address;
	socklen_t length = manager_address(&address);
	int fd = length ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
	va_list args;

	if (fd < 0)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	/* Whoever listens, or no longer does, makes no difference here. */
	(void)!sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&address,
		      length);
	close(fd);
}

void coaxd_notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	coaxd_notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		     (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

static uint64_t number_in(const char *name)
{
	const char *text = getenv(name);
	char *end;
	uint64_t number;

	if (!text || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	number = strtoull(text, &end, 10);
	return errno || *end ? 0 : number;
}

uint32_t coaxd_notify_interval(void)
{
	uint64_t interval = number_in("WATCHDOG_USEC") / 1000 / 2;

	/* It may be meant for whoever started this. */
	if (getenv("WATCHDOG_PID") && number_in("WATCHDOG_PID") != (uint64_t)getpid())
		return 0;
	return interval < INTERVAL_MAX_MS ? (uint32_t)interval : INTERVAL_MAX_MS;
}

bool coaxd_notify_alive(struct coax_context *context)
{
	if (coax_context_probe(context, SIGN_TIMEOUT_MS))
		return false;
	coaxd_notify("WATCHDOG=1");
	return true;
}
