// SPDX-License-Identifier: BSD-2-Clause
/*
 * libbpf and libxdp print to stderr unless told otherwise, and can be told so once a process.
 * What they complain of while they work for us becomes our DEBUG lines, what they tell beyond that
 * is dropped; lines of others' go where they went before.
 */
#include <stdio.h>
#include <string.h>
#include <xdp/libxdp.h>
#include "accel/internal.h"

#define KERNEL_SAYS "libbpf: Kernel error message: "

static __thread const struct coax_logger *current;
static __thread char complaint[128];
static libbpf_print_fn_t former_libbpf;
static libxdp_print_fn_t former_libxdp;

static void note_line(const char *line)
{
	if (!*line)
		return;
	if (strncmp(line, KERNEL_SAYS, strlen(KERNEL_SAYS)) == 0)
		snprintf(complaint, sizeof(complaint), "%s", line + strlen(KERNEL_SAYS));
	coax_log(current, COAX_LOG_DEBUG, "%s", line);
}

__attribute__((format(printf, 1, 0))) static int log_lines(const char *format, va_list args)
{
	char text[4096];
	char *rest = text;
	char *line;

	vsnprintf(text, sizeof(text), format, args);
	while ((line = strsep(&rest, "\n")))
		note_line(line);
	return 0;
}

__attribute__((format(printf, 2, 0))) static int print_libbpf(enum libbpf_print_level level,
							      const char *format, va_list args)
{
	if (current)
		return level == LIBBPF_DEBUG ? 0 : log_lines(format, args);
	return former_libbpf ? former_libbpf(level, format, args) : 0;
}

__attribute__((format(printf, 2, 0))) static int print_libxdp(enum libxdp_print_level level,
							      const char *format, va_list args)
{
	if (current)
		return level == LIBXDP_DEBUG ? 0 : log_lines(format, args);
	return former_libxdp ? former_libxdp(level, format, args) : 0;
}

static void install(void)
{
	former_libbpf = libbpf_set_print(print_libbpf);
	former_libxdp = libxdp_set_print(print_libxdp);
}

void accel_libraries_log_to(const struct coax_logger *logger)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
	current = logger;
	complaint[0] = 0;
}

const char *accel_libraries_complaint(void)
{
	return complaint;
}
