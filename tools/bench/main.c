// SPDX-License-Identifier: BSD-2-Clause
/*
 * coax-bench: load for CoAP servers, and what came back.
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bench.h"

volatile sig_atomic_t bench_stopped;

static const char usage[] =
	"usage: coax-bench kernel --interface NAME --peer-mac MAC --source A --destination B\n"
	"                  [--port 5683] [--path /] [--seconds 3] [--packets N] [--non]\n"
	"                  [--token-length 4] [--batch 64] [--cpu N] [--reflector NEAR,FAR|--names N]\n"
	"       coax-bench flood --interface NAME --peer-mac MAC --spare A --destination B\n"
	"                  [--port 5683] [--path /] [--seconds 3] [--rate 1000000]\n"
	"       coax-bench reflector --interface NAME [--seconds 3600]\n"
	"       coax-bench socket --destination ADDRESS[:PORT] [--path /] [--method get|put|post]\n"
	"                  [--payload-size 0] [--sockets 64] [--window 2] [--in-flight N]\n"
	"                  [--seconds 3] [--packets N] [--rate R] [--non] [--duplicates PERCENT]\n"
	"                  [--names N|--mixed] [--cold] [--cpu N]\n"
	"                  [--server-pid PID|--server-cpu N]\n"
	"       coax-bench blocks --destination ADDRESS[:PORT] [--path /body] [--get|--put]\n"
	"                  [--size 1048576] [--block-size 1024] [--sockets 32] [--seconds 3]\n"
	"                  [--transfers N] [--cpu N] [--server-pid PID]\n"
	"       coax-bench notify --destination ADDRESS[:PORT] [--path /state] [--observers 200]\n"
	"                  [--payload-size 64] [--change-at ADDRESS[:PORT]]\n"
	"                  [--source A [--sources N]] [--seconds 3] [--changes N] [--cpu N]\n"
	"                  [--server-pid PID]\n"
	"       coax-bench dtls --destination ADDRESS[:PORT] [--handshakes|--requests|--idle|--hellos]\n"
	"                  [--identity NAME --key TEXT] [--cipher NAME] [--resume] [--sessions 64]\n"
	"                  [--path /data] [--window 1] [--seconds 3] [--count N] [--cpu N]\n"
	"                  [--server-pid PID|--server-cpu N]\n"
	"       coax-bench serve [--bind *] [--credentials FILE] [--max-age SECONDS]\n"
	"                  [--interface NAME [--instance default] [--slots N]]\n"
	"\n"
	"kernel     sends GETs out of one end of a veth pair from within the kernel and counts the\n"
	"           replies there, all on one CPU; what answers is at the other end. rate is in\n"
	"           replies a second; cpu_s is all that this CPU did meanwhile (/proc/stat): generator,\n"
	"           server and counting together. With --reflector the same run goes to a bare XDP\n"
	"           reflector on a second veth pair, both of whose ends are in this network namespace.\n"
	"flood      sends GETs from forged sources, each another one, out of one end of a veth pair,\n"
	"           and counts what is answered to them; frames for A pass, so that real clients can be\n"
	"           measured beside it. bytes_out and bytes_in are those of frames.\n"
	"reflector  attaches that reflector to an interface until it is interrupted.\n"
	"socket     sends requests from many UDP sockets, each with up to WINDOW unanswered, N in total,\n"
	"           in turn, so that with N sockets each request comes from another port than the N-1\n"
	"           before. A request without a reply after one second is given up and counted as lost.\n"
	"           --rate: open loop, latency counts from when a request was due. cpu_s is user and\n"
	"           system time of the server process with all its threads (its CPU clock), or all\n"
	"           that a CPU did (/proc/stat). --mixed: 95 % GETs, 4 % GETs with a query that is new\n"
	"           each time, 1 % PUTs to /body. --cold: nothing is asked before the run counts. A\n"
	"           PATH that is a URI, coap://..., is asked of a forward-proxy.\n"
	"blocks     gets a body in blocks, or puts it, from each socket, block after block, over and\n"
	"           over. All that comes is compared with what went there: a GET run puts the body\n"
	"           first, a PUT run gets it at the end. rate and per_cpu_s are bytes of the body.\n"
	"notify     observes one resource from many sockets and changes it by PUT; the next change\n"
	"           follows when all observers have heard of the one before. rate and per_cpu_s are\n"
	"           notifications; to_last is the time from a change until all have heard of it.\n"
	"           --change-at: the PUTs go there, past the proxy that is observed. --source: the\n"
	"           observers have N IPv4 addresses in turn, A and those behind it.\n"
	"dtls       speaks DTLS 1.2 (port 5684) as OpenSSL does: by a pre-shared key, or with a server\n"
	"           that has a certificate for ECDSA, which is not checked. The cipher is\n"
	"           PSK-AES128-CCM8 or ECDHE-ECDSA-AES128-CCM8, or another by its name in OpenSSL.\n"
	"           --handshakes: over and over, each from another port, so many sessions at a time;\n"
	"           --resume: they go on with what the first one agreed on. --requests: GETs in\n"
	"           sessions that stay, with up to WINDOW unanswered in each. --idle: what they take\n"
	"           of the server's memory (resident set): session_bytes once they are there,\n"
	"           later_bytes after SECONDS; openssl_bytes is what a bare SSL object takes with the\n"
	"           same cipher, own_bytes the rest of the larger one. --hellos: ClientHellos without\n"
	"           a cookie, as fast as they can be sent; us is what one that is answered takes of\n"
	"           the server's processor time, user_us without what the kernel does for it.\n"
	"serve      is a server to measure, until it is interrupted: one worker, /data, /body and\n"
	"           /state in memory, the last can be observed; /names/ANYTHING, cacheable; /gets\n"
	"           tells how many GETs there were of all these. With --credentials it speaks DTLS,\n"
	"           too; with --interface there is a kernel half.\n"
	"\n"
	"--names    lets requests go to PATH/00000000 and so on, N of them: in order by socket, at random\n"
	"           by kernel.\n"
	"\n"
	"Each run prints one line of key=value. Exit status 0: good replies were seen (flood: it was\n"
	"sent).\n";

static void on_signal(int number)
{
	(void)number;
	bench_stopped = 1;
}

uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * BENCH_NSEC + (uint64_t)t.tv_nsec;
}

void bench_sleep_ms(unsigned int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	while (nanosleep(&t, &t) < 0 && errno == EINTR && !bench_stopped)
		;
}

int bench_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("coax-bench: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return 1;
}

uint64_t bench_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < min || value > max) {
		bench_fail("%s wants a number from %llu to %llu, not \"%s\"", option,
			   (unsigned long long)min, (unsigned long long)max, text);
		exit(2);
	}
	return value;
}

double bench_seconds(const char *option, const char *text)
{
	double value;
	char *end;

	value = strtod(text, &end);
	if (end == text || *end || !(value > 0) || value > 3600) {
		bench_fail("%s wants a number of seconds up to 3600, not \"%s\"", option, text);
		exit(2);
	}
	return value;
}

int bench_usage_error(const char *mode)
{
	fprintf(stderr, "Try 'coax-bench --help' for what %s takes.\n", mode);
	return 2;
}

int bench_pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} modes[] = {
		{"kernel", bench_kernel}, {"flood", bench_flood},   {"reflector", bench_reflector},
		{"socket", bench_socket}, {"blocks", bench_blocks}, {"notify", bench_notify},
		{"dtls", bench_dtls},	  {"serve", bench_serve},
	};
	struct sigaction action = {.sa_handler = on_signal};

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage, stdout);
		return 0;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			return modes[i].run(argc - 1, argv + 1);
	fputs(usage, stderr);
	return 2;
}
