// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processor time, as /proc and clocks tell it.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

double bench_cpu_busy(unsigned int cpu)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
	char line[512], name[16];
	double busy = -1;
	FILE *file;
	int length;

	length = snprintf(name, sizeof(name), "cpu%u ", cpu);
	file = fopen("/proc/stat", "re");
	if (!file)
		return -1;
	while (busy < 0 && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, (size_t)length) != 0)
			continue;
		if (sscanf(line + length, "%llu %llu %llu %llu %llu %llu %llu", &user, &nice,
			   &system, &idle, &iowait, &irq, &softirq) == 7)
			busy = (double)(user + nice + system + irq + softirq) /
			       (double)sysconf(_SC_CLK_TCK);
	}
	fclose(file);
	return busy;
}

/* In clock ticks. */
static bool read_process(pid_t pid, unsigned long long *user, unsigned long long *system)
{
	char path[64], text[1024];
	const char *fields;
	size_t length;
	FILE *file;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	else
		snprintf(path, sizeof(path), "/proc/self/stat");
	file = fopen(path, "re");
	if (!file)
		return false;
	length = fread(text, 1, sizeof(text) - 1, file);
	text[length] = '\0';
	fclose(file);
	/* The second field, the name, may hold anything: the rest begins behind its last ')'. */
	fields = strrchr(text, ')');
	return fields &&
	       sscanf(fields + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", user,
		      system) == 2;
}

/* The same as there, but not in ticks: short runs take few of those. */
double bench_process_cpu(pid_t pid)
{
	struct timespec spent;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &spent))
		return -1;
	return (double)spent.tv_sec + (double)spent.tv_nsec / 1e9;
}

double bench_process_user(pid_t pid)
{
	unsigned long long user, system;

	return read_process(pid, &user, &system) ? (double)user / (double)sysconf(_SC_CLK_TCK) : -1;
}
