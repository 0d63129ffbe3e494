// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <coax/control.h>
#include "coaxd/control.h"
#include "coaxd/figures.h"
#include "coaxd/notify.h"
#include "control_socket.h"

/* What is asked for is asked at once, and another daemon has time to start. */
#define ERRAND_TIMEOUT_MS  2000
#define READY_TIMEOUT_MS   60000
#define SERVING_TIMEOUT_MS 10000
/* Requests that are being handled when another daemon is ready. */
#define PAUSE_TIMEOUT_MS 1000
/* When there are no descriptors left. */
#define ROOM_INTERVAL_MS 1000

int coaxd_control_open(struct coaxd_control *control, const char *instance, bool replace,
		       const sigset_t *signals, const struct coax_logger *logger)
{
	control->logger = logger;
	control->instance = instance;
	control->signals = signalfd(-1, signals, SFD_CLOEXEC);
	if (control->signals < 0)
		return -errno;
	control->listener = coax_control_listen(instance, replace);
	if (control->listener < 0)
		coax_log(logger, COAX_LOG_INFO,
			 "no control socket " COAX_CONTROL_DIRECTORY "/%s: %s%s", instance,
			 strerror(-control->listener),
			 control->listener == -EADDRINUSE
				 ? "; another daemon has it: choose another --instance"
				 : "");
	return 0;
}

void coaxd_control_close(struct coaxd_control *control)
{
	if (control->listener >= 0) {
		close(control->listener);
		/* The name may be another daemon's by now. */
		if (!coax_control_is_taken(control->instance))
			coax_control_unlink(control->instance);
	}
	close(control->signals);
}

static void answer(int connection, int err, const char *advice, size_t count)
{
	char line[COAX_CONTROL_LINE_MAX];

	if (err)
		snprintf(line, sizeof(line), "error %s%s", strerror(-err), advice);
	else
		snprintf(line, sizeof(line), "ok %zu", count);
	coax_control_send(connection, line, NULL, 0);
}

static int take_up_changes(const struct coaxd_control *control, char answer[COAXD_ANSWER_MAX])
{
	int err;

	coaxd_notify_reloading();
	err = coaxd_reload(control->served, answer);
	coaxd_notify("READY=1");
	return err;
}

static void reload(const struct coaxd_control *control, int connection)
{
	char text[COAXD_ANSWER_MAX], line[COAX_CONTROL_LINE_MAX];
	int err = take_up_changes(control, text);

	snprintf(line, sizeof(line), "%s%s", err ? "error " : *text ? "ok 0 " : "ok 0", text);
	coax_control_send(connection, line, NULL, 0);
}

static const char *advice(int err)
{
	switch (err) {
	case -EOPNOTSUPP:
		return "; the daemon has no kernel half: it was started without --interface, or said "
		       "why when it was";
	case -EALREADY:
		return "; it is so already";
	case -EPERM:
	case -EACCES:
		return "; the daemon has not the capabilities to attach";
	default:
		return "";
	}
}

static int send_sockets(struct coax_context *context, int connection)
{
	size_t count = coax_context_sockets(context, NULL, 0);
	int *sockets = calloc(count + 1, sizeof(*sockets));
	int lock = coax_context_lock(context);
	char line[COAX_CONTROL_LINE_MAX];
	int err;

	if (!sockets)
		return -ENOMEM;
	coax_context_sockets(context, sockets, count);
	snprintf(line, sizeof(line), "hand-over %zu", count);
	err = coax_control_send(connection, line, &lock, lock ? 1 : 0);
	for (size_t sent = 0; sent < count && !err;) {
		size_t part = count - sent;

		if (part > COAX_CONTROL_FDS_MAX)
			part = COAX_CONTROL_FDS_MAX;
		err = coax_control_send(connection, "sockets", sockets + sent, part);
		sent += part;
	}
	free(sockets);
	return err;
}

/* Who is let in, and serves, says whether it has taken over the kernel half. */
static int let_in(const struct coaxd_control *control, struct coax_context *context, int connection,
		  pid_t successor)
{
	char line[COAX_CONTROL_LINE_MAX];
	int err = coax_context_pause(context, PAUSE_TIMEOUT_MS);

	if (err == -ETIMEDOUT)
		coax_log(control->logger, COAX_LOG_WARNING,
			 "requests are being handled still: what they change may show late");
	if (!err || err == -ETIMEDOUT)
		err = coax_control_send(connection, "go", NULL, 0);
	if (!err)
		err = coax_control_receive(connection, line, NULL, NULL, SERVING_TIMEOUT_MS, -1);
	if (!err && strcmp(line, "serving kernel") == 0)
		coax_context_hand_over(context);
	else if (!err && strcmp(line, "serving") != 0)
		err = -EPROTO;
	if (err)
		coax_context_resume(context, successor);
	return err;
}

/* Returns whether another daemon serves now. */
static bool hand_over(const struct coaxd_control *control, struct coax_context *context,
		      int connection)
{
	char line[COAX_CONTROL_LINE_MAX];
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);
	int err;

	getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	err = send_sockets(context, connection);
	if (!err)
		err = coax_control_receive(connection, line, NULL, NULL, READY_TIMEOUT_MS,
					   control->signals);
	if (!err && strcmp(line, "ready") != 0)
		err = -EPROTO;
	if (!err)
		err = let_in(control, context, connection, peer.pid);
	if (err)
		coax_log(control->logger, COAX_LOG_WARNING,
			 "pid %d did not replace this daemon, which goes on: %s", (int)peer.pid,
			 strerror(-err));
	else
		coax_log(control->logger, COAX_LOG_INFO, "replaced by pid %d", (int)peer.pid);
	return !err;
}

/* They are longer than a line. */
static void send_figures(const struct coaxd_served *served, int connection)
{
	const struct coaxd_counting of = {served->context, &served->proxy};
	int fd = memfd_create("figures", MFD_CLOEXEC);
	FILE *to = fd < 0 ? NULL : fdopen(fd, "w");
	char line[COAX_CONTROL_LINE_MAX];

	if (!to) {
		answer(connection, -errno, "", 0);
		if (fd >= 0)
			close(fd);
		return;
	}
	coaxd_figures_json(&of, to);
	if (fflush(to) == 0) {
		snprintf(line, sizeof(line), "ok %ld", ftell(to));
		coax_control_send(connection, line, &fd, 1);
	} else {
		answer(connection, -errno, "", 0);
	}
	fclose(to);
}

/* The rest of a line behind a word, or NULL. */
static const char *after(const char *line, const char *word)
{
	size_t length = strlen(word);

	return strncmp(line, word, length) == 0 ? line + length : NULL;
}

/* Returns whether another daemon serves now. */
static bool run_errand(const struct coaxd_control *control, struct coax_context *context,
		       int connection)
{
	char line[COAX_CONTROL_LINE_MAX];
	const char *argument;
	int err;

	if (coax_control_receive(connection, line, NULL, NULL, ERRAND_TIMEOUT_MS, control->signals))
		return false;
	if (strcmp(line, "figures") == 0) {
		send_figures(control->served, connection);
		return false;
	}
	coax_log(control->logger, COAX_LOG_INFO, "asked to %s", line);
	if (strcmp(line, "replace") == 0)
		return hand_over(control, context, connection);
	if (strcmp(line, "flush") == 0) {
		answer(connection, 0, "", coax_context_flush(context, NULL));
	} else if ((argument = after(line, "flush "))) {
		answer(connection, 0, "", coax_context_flush(context, argument));
	} else if ((argument = after(line, "attach "))) {
		err = coax_context_attach(context, argument);
		answer(connection, err, advice(err), 1);
	} else if ((argument = after(line, "detach "))) {
		err = coax_context_detach(context, argument);
		answer(connection, err, advice(err), 1);
	} else if (strcmp(line, "reload") == 0) {
		reload(control, connection);
	} else {
		answer(connection, -EPROTO, "; the daemon is of another version", 0);
	}
	return false;
}

/* It would be tried again at once: whoever knocks is still there. */
static void wait_for_room(const struct coaxd_control *control, int err)
{
	struct pollfd ending = {.fd = control->signals, .events = POLLIN};

	coax_log(control->logger, COAX_LOG_WARNING,
		 "nobody can be let in by the control socket: %s", strerror(-err));
	poll(&ending, 1, ROOM_INTERVAL_MS);
}

static bool take_errand(const struct coaxd_control *control, struct coax_context *context)
{
	int connection = coax_control_accept(control->listener);
	bool replaced;

	if (connection == -EPERM)
		coax_log(
			control->logger, COAX_LOG_WARNING,
			"turned somebody away from the control socket who is neither root nor this "
			"daemon's user");
	else if (connection < 0)
		wait_for_room(control, connection);
	if (connection < 0)
		return false;
	replaced = run_errand(control, context, connection);
	close(connection);
	return replaced;
}

/* Returns whether it was one that ends. */
static bool take_signal(const struct coaxd_control *control)
{
	char text[COAXD_ANSWER_MAX];
	struct signalfd_siginfo info;

	if (read(control->signals, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGHUP) {
		take_up_changes(control, text);
		return false;
	}
	coax_log(control->logger, COAX_LOG_INFO, "ending on %s", strsignal((int)info.ssi_signo));
	return true;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The service manager's watchdog: each `interval` ms, which is half of its patience. */
static uint64_t show_life(struct coax_context *context, uint64_t interval)
{
	/* A worker that is busy now gets another chance before it is too late. */
	return now_ms() + (coaxd_notify_alive(context) ? interval : interval / 4 + 1);
}

void coaxd_control_run(struct coaxd_control *control, struct coax_context *context)
{
	struct pollfd fds[] = {{.fd = control->signals, .events = POLLIN},
			       {.fd = control->listener, .events = POLLIN}};
	uint64_t interval = coaxd_notify_interval(), due = now_ms() + interval, now;
	int timeout;

	for (;;) {
		now = now_ms();
		timeout = interval ? (int)(now < due ? due - now : 0) : -1;
		if (poll(fds, 2, timeout) < 0 && errno != EINTR)
			return;
		if (interval && now_ms() >= due)
			due = show_life(context, interval);
		if (fds[0].revents && take_signal(control))
			return;
		if (fds[1].revents && take_errand(control, context))
			break;
	}
	/* The name is the other daemon's now. */
	close(control->listener);
	control->listener = -1;
}
