// SPDX-License-Identifier: BSD-2-Clause
#include "progress.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NS_PER_SEC     1000000000ULL
#define SHOWN_AFTER_NS (NS_PER_SEC / 2)
#define REDRAW_NS      (NS_PER_SEC / 10)
#define BAR_MAX	       40
/* "100%  1023.9 MiB of 1023.9 MiB  1023.9 MiB/s  12h59m left" and the bar's brackets. */
#define WORDS_COLUMNS 64

void progress_begin(struct progress *progress, const struct tool *tool)
{
	/* Messages and a bar would write over each other. */
	*progress = (struct progress){
		.wanted = !tool->verbose && isatty(STDERR_FILENO),
		.began = tool_now(),
	};
}

static void print_size(double bytes, const char *behind)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	size_t unit = 0;

	while (bytes >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		unit++;
	}
	fprintf(stderr, unit ? "%.1f %s%s" : "%.0f %s%s", bytes, units[unit], behind);
}

static void print_bar(uint64_t done, uint64_t total)
{
	struct winsize size = {.ws_col = 0};
	int columns = 80, width, filled;

	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		columns = size.ws_col;
	width = columns - WORDS_COLUMNS;
	if (width > BAR_MAX)
		width = BAR_MAX;
	if (width < 4)
		return;
	filled = (int)((double)width * (double)done / (double)total);
	fputc('[', stderr);
	for (int i = 0; i < width; i++)
		fputc(i < filled ? '#' : '-', stderr);
	fputs("] ", stderr);
}

static void print_left(double seconds)
{
	uint64_t left = (uint64_t)(seconds + 0.5);

	if (left >= 3600)
		fprintf(stderr, "  %" PRIu64 "h%02" PRIu64 "m left", left / 3600, left / 60 % 60);
	else
		fprintf(stderr, "  %" PRIu64 ":%02" PRIu64 " left", left / 60, left % 60);
}

static void draw(uint64_t done, uint64_t total, double seconds)
{
	double rate = (double)done / seconds;

	fputs("\r\033[K", stderr);
	if (total) {
		print_bar(done, total);
		fprintf(stderr, "%3d%%  ", (int)(done * 100 / total));
	}
	print_size((double)done, "");
	if (total) {
		fputs(" of ", stderr);
		print_size((double)total, "");
	}
	fputs("  ", stderr);
	print_size(rate, "/s");
	if (total && rate > 0)
		print_left((double)(total - done) / rate);
	fflush(stderr);
}

void progress_step(struct progress *progress, uint64_t done, uint64_t total)
{
	uint64_t now;

	if (!progress->wanted)
		return;
	now = tool_now();
	if (now - progress->began < SHOWN_AFTER_NS || now - progress->drawn < REDRAW_NS)
		return;
	/* What a server says of the size need not be so. */
	if (total < done)
		total = 0;
	if (total > UINT64_MAX / 100)
		total = 0;
	draw(done, total, (double)(now - progress->began) / NS_PER_SEC);
	progress->drawn = now;
	progress->shown = true;
}

void progress_end(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
	progress->wanted = false;
}
