// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/metrics.h"
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <coax/address.h>
#include "coaxd/figures.h"
#include "coaxd/privileges.h"

#define UNIX_PREFIX "unix:"

/* Some servers ask, every few seconds. */
#define CONNECTIONS_MAX	  16
#define IDLE_TIMEOUT_S	  10
#define CONNECTION_MEMORY 8192
#define BACKLOG		  8
/* A daemon that this one replaces gives the address up soon. */
#define IN_USE_TRIES	   40
#define IN_USE_INTERVAL_MS 50

struct coaxd_metrics {
	const struct coaxd_counting *of;
	const struct coax_logger *logger;
	struct MHD_Daemon *daemon;
	int listener;
	const char *path; /* of the listener; NULL: it has none */
};

static bool is_loopback(const union coax_address *address)
{
	if (address->sa.sa_family == AF_INET)
		return ntohl(address->in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&address->in6.sin6_addr);
}

static const char *path_in(const char *at)
{
	size_t length = strlen(UNIX_PREFIX);

	return strncmp(at, UNIX_PREFIX, length) == 0 ? at + length : NULL;
}

const char *coaxd_metrics_check(const char *at, bool anywhere)
{
	const char *path = path_in(at);
	union coax_address address;

	if (path)
		return *path == '/' && strlen(path) <
					       sizeof(((struct sockaddr_un *)0)->sun_path) - 1
			       ? NULL
			       : "unix: and an absolute path of at most 106 characters";
	if (coax_address_parse(&address, at, 0) || address.sa.sa_family == AF_UNSPEC ||
	    !coax_address_port(&address))
		return "ADDRESS:PORT, with an IPv6 address in brackets, or unix:/PATH";
	return anywhere || is_loopback(&address)
		       ? NULL
		       : "metrics are at a loopback address, as nobody is asked for credentials there; "
			 "metrics-anywhere allows others";
}

static int listen_at_address(const char *at)
{
	union coax_address address;
	int one = 1;
	int fd, err;

	err = coax_address_parse(&address, at, 0);
	if (err)
		return err;
	fd = socket(address.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &address.sa, coax_address_length(&address)) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static bool is_listened_at(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Who has more to do than he can listens, too. */
	bool is =
		fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
			    errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return is;
}

/* In the place of what a daemon that was killed left there. For the daemon's user and group. */
static int listen_at_path(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;
	int fd, err;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
		return -EEXIST;
	if (is_listened_at(&address))
		return -EADDRINUSE;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	/* Nobody gets in before it listens. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && chmod(path, 0660) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int listen_at(const char *at)
{
	static const struct timespec interval = {.tv_nsec = IN_USE_INTERVAL_MS * 1000000L};
	const char *path = path_in(at);
	int fd = -EADDRINUSE;

	for (int i = 0; i < IN_USE_TRIES && fd == -EADDRINUSE; i++) {
		if (i)
			nanosleep(&interval, NULL);
		fd = path ? listen_at_path(path) : listen_at_address(at);
	}
	return fd;
}

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned int status, char *text,
			       size_t length, const char *type)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (!response) {
		free(text);
		return MHD_NO;
	}
	if (type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* libmicrohttpd calls it when the header is there, and again when the body is: none is wanted. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *body,
			      size_t *body_length, void **request)
{
	const struct coaxd_metrics *metrics = arg;
	char *text = NULL;
	size_t length;

	(void)version;
	(void)body;
	(void)body_length;
	(void)request;
	if (strcmp(url, "/metrics") != 0)
		return respond(connection, MHD_HTTP_NOT_FOUND, NULL, 0, NULL);
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED, NULL, 0, NULL);
	if (coaxd_figures_text(metrics->of, coaxd_figures_prometheus, &text, &length))
		return MHD_NO;
	return respond(connection, MHD_HTTP_OK, text, length,
		       "text/plain; version=0.0.4; charset=utf-8");
}

__attribute__((format(printf, 2, 0))) static void take_log(void *arg, const char *format,
							   va_list args)
{
	const struct coaxd_metrics *metrics = arg;
	char line[256];

	if (!coax_log_wants(metrics->logger, COAX_LOG_DEBUG))
		return;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	coax_log(metrics->logger, COAX_LOG_DEBUG, "metrics: %s", line);
}

/* The thread that libmicrohttpd starts is like the one that starts it. */
static int start(void *arg)
{
	struct coaxd_metrics *metrics = arg;

	metrics->daemon = MHD_start_daemon(
		MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG | MHD_USE_ITC, 0, NULL, NULL,
		handle, metrics, MHD_OPTION_EXTERNAL_LOGGER, take_log, metrics,
		MHD_OPTION_LISTEN_SOCKET, metrics->listener, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int)IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY, MHD_OPTION_END);
	return metrics->daemon ? 0 : -ENOMEM;
}

int coaxd_metrics_begin(struct coaxd_metrics **metrics, const char *at,
			const struct coaxd_counting *of, const struct coax_logger *logger)
{
	struct coaxd_metrics *new = calloc(1, sizeof(*new));
	int err = 0;

	*metrics = NULL;
	if (!new)
		return -ENOMEM;
	new->of = of;
	new->logger = logger;
	new->listener = listen_at(at);
	new->path = path_in(at);
	if (new->listener < 0)
		err = new->listener;
	if (!err)
		err = coaxd_privileges_without(start, new);
	if (!err) {
		*metrics = new;
		return 0;
	}
	coax_log(logger, COAX_LOG_ERROR, "no /metrics at %s: %s", at, strerror(-err));
	if (new->listener >= 0)
		close(new->listener);
	free(new);
	return err;
}

void coaxd_metrics_end(struct coaxd_metrics *metrics)
{
	if (!metrics)
		return;
	/* As long as it listens, nobody else moves in. */
	if (metrics->path)
		unlink(metrics->path);
	MHD_stop_daemon(metrics->daemon);
	free(metrics);
}
