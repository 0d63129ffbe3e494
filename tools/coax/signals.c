// SPDX-License-Identifier: BSD-2-Clause
#include "signals.h"
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static volatile sig_atomic_t caught;
static int event = -1;

static void on_signal(int number)
{
	const uint64_t one = 1;
	int before = errno;

	caught = number;
	if (write(event, &one, sizeof(one)) < 0)
		_exit(128 + number);
	errno = before;
}

int signals_catch(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND}, before;

	if (event >= 0)
		return event;
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		/* Under nohup(1) and behind a shell's &, some are to be ignored. */
		if (!sigaction(numbers[i], NULL, &before) && before.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
	return event;
}

int signals_caught(void)
{
	return caught;
}

void signals_forget(void)
{
	caught = 0;
}
