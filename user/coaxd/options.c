// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "accel/accel.h"
#include "coaxd/metrics.h"
#include "coaxd/options.h"

#define EXIT_USAGE	  2

#define LEASE_MIN	  100
#define LEASE_MAX	  3600000
#define WORKERS_MAX	  256 /* what a Context takes */

#define AT_A_TIME_MAX	  65536

#define LIMIT_MAX	  1000000000
#define AMPLIFICATION_MAX 1024 /* what a Context takes */

/* No exit status. */
#define OPTION_OTHER -2

enum {
	OPTION_GROUP = 256,
	OPTION_BIND_SECURE,
	OPTION_CREDENTIALS,
	OPTION_SECURE_ONLY,
	OPTION_ACCESS,
	OPTION_INSTANCE,
	OPTION_GENERIC,
	OPTION_ROUTE_REPLIES,
	OPTION_SLOTS,
	OPTION_EXCHANGES,
	OPTION_LEASE,
	OPTION_WORKERS,
	OPTION_WRITABLE,
	OPTION_MAX_AGE,
	OPTION_MAX_SIZE,
	OPTION_MAX_UPLOADS,
	OPTION_MAX_OPEN,
	OPTION_ALLOW,
	OPTION_DENY,
	OPTION_LIMIT_REQUESTS,
	OPTION_LIMIT_STRANGERS,
	OPTION_AMPLIFICATION,
	OPTION_LIMIT_REPLIES,
	OPTION_LIMIT_REPLIES_TOTAL,
	OPTION_PREFIX_BITS,
	OPTION_PASS_EVERY,
	OPTION_STRICT_SOURCE,
	OPTION_FIGURES,
	OPTION_METRICS,
	OPTION_METRICS_ANYWHERE,
	OPTION_READY_FD,
	OPTION_REPLACE,
	OPTION_USER,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{"bind", required_argument, NULL, 'b'},
	{"bind-secure", required_argument, NULL, OPTION_BIND_SECURE},
	{"credentials", required_argument, NULL, OPTION_CREDENTIALS},
	{"secure-only", no_argument, NULL, OPTION_SECURE_ONLY},
	{"access", required_argument, NULL, OPTION_ACCESS},
	{"interface", required_argument, NULL, 'i'},
	{"group", required_argument, NULL, OPTION_GROUP},
	{"instance", required_argument, NULL, OPTION_INSTANCE},
	{"generic", no_argument, NULL, OPTION_GENERIC},
	{"route-replies", no_argument, NULL, OPTION_ROUTE_REPLIES},
	{"slots", required_argument, NULL, OPTION_SLOTS},
	{"exchanges", required_argument, NULL, OPTION_EXCHANGES},
	{"lease", required_argument, NULL, OPTION_LEASE},
	{"workers", required_argument, NULL, OPTION_WORKERS},
	{"writable", no_argument, NULL, OPTION_WRITABLE},
	{"max-age", required_argument, NULL, OPTION_MAX_AGE},
	{"max-size", required_argument, NULL, OPTION_MAX_SIZE},
	{"max-uploads", required_argument, NULL, OPTION_MAX_UPLOADS},
	{"max-open", required_argument, NULL, OPTION_MAX_OPEN},
	{"allow", required_argument, NULL, OPTION_ALLOW},
	{"deny", required_argument, NULL, OPTION_DENY},
	{"limit-requests", required_argument, NULL, OPTION_LIMIT_REQUESTS},
	{"limit-strangers", required_argument, NULL, OPTION_LIMIT_STRANGERS},
	{"amplification", required_argument, NULL, OPTION_AMPLIFICATION},
	{"limit-replies", required_argument, NULL, OPTION_LIMIT_REPLIES},
	{"limit-replies-total", required_argument, NULL, OPTION_LIMIT_REPLIES_TOTAL},
	{"prefix-bits", required_argument, NULL, OPTION_PREFIX_BITS},
	{"pass-every", required_argument, NULL, OPTION_PASS_EVERY},
	{"strict-source", no_argument, NULL, OPTION_STRICT_SOURCE},
	{"figures", required_argument, NULL, OPTION_FIGURES},
	{"metrics", required_argument, NULL, OPTION_METRICS},
	{"metrics-anywhere", no_argument, NULL, OPTION_METRICS_ANYWHERE},
	{"ready-fd", required_argument, NULL, OPTION_READY_FD},
	{"replace", no_argument, NULL, OPTION_REPLACE},
	{"user", required_argument, NULL, OPTION_USER},
	{"verbose", no_argument, NULL, 'v'},
	{"quiet", no_argument, NULL, 'q'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static const char help[] =
	"Usage: coaxd [options] DIRECTORY\n"
	"\n"
	"Serve the files of a directory over CoAP.\n"
	"\n"
	"  -b, --bind ADDRESS[:PORT]  serve at this address only (repeatable; \"*:PORT\" for all\n"
	"                             addresses; default \"*:5683\")\n"
	"      --credentials FILE     speak coaps too, with the keys and certificates in there\n"
	"                             (aiocoap's format; read again on SIGHUP)\n"
	"      --bind-secure ADDRESS[:PORT]\n"
	"                             speak coaps at this address only (repeatable; default: where\n"
	"                             --bind says, at the port behind that: 5684)\n"
	"      --secure-only          speak no plain coap\n"
	"      --access 'PATH WHO METHODS'\n"
	"                             let these do that there and below (repeatable; without any,\n"
	"                             all may do everything): /config psk:admin-* get,put\n"
	"      --group GROUP          answer multicast too: all CoAP nodes' groups on an interface\n"
	"                             (eth0), or one group (ff05::fd%eth0, 224.0.1.187%eth0;\n"
	"                             repeatable)\n"
	"  -i, --interface NAME       let the kernel answer what comes in there (repeatable)\n"
	"      --instance NAME        the kernel half's name below /sys/fs/bpf/coax (\"default\")\n"
	"      --generic              use generic XDP where the driver has no native one\n"
	"      --route-replies        let the kernel answer only where the host's routes lead back\n"
	"                             by the interface that the request came in by\n"
	"      --slots N              replies that the kernel holds at most (8192)\n"
	"      --exchanges N          requests whose duplicates the kernel knows (16384)\n"
	"      --lease MS             how long the kernel answers without the daemon (3000)\n"
	"      --workers N            threads, at most 256 (default: one for each usable CPU)\n"
	"      --writable             let PUT, POST and DELETE change the files\n"
	"      --max-age SECONDS      for how long clients may hold what they got (60)\n"
	"      --max-size BYTES       of files that requests make, at most 1 GiB (67108864)\n"
	"      --max-uploads N        bodies larger than a message taken at a time (64)\n"
	"      --max-open N           files larger than a message sent at a time (256)\n"
	"      --replace              take the place of the running coaxd of this instance, if there\n"
	"                             is one, without a lost request\n"
	"      --user NAME            serve as this user when started as root (\"coax\" if there is\n"
	"                             one, or \"nobody\"), who has to have access to the files\n"
	"      --deny PREFIX          answer nothing from there (192.0.2.0/24; repeatable)\n"
	"      --allow PREFIX         limit nothing from there (2001:db8::/32; repeatable)\n"
	"      --limit-requests N     requests a second from one prefix (no limit)\n"
	"      --limit-strangers N    requests a second that the daemon handles for those it has\n"
	"                             not heard of before, together (5000)\n"
	"      --amplification N      a reply is large from N times its request on (3)\n"
	"      --limit-replies BYTES  of large replies a second to one prefix that has not proven\n"
	"                             to be there (262144)\n"
	"      --limit-replies-total BYTES\n"
	"                             the same to all of those together (4194304)\n"
	"      --prefix-bits V4,V6    how much of an address is a prefix (32,64)\n"
	"      --pass-every N         of requests over a limit the kernel drops all but one in N,\n"
	"                             which the daemon refuses or challenges (64)\n"
	"      --strict-source        let the kernel drop what comes by another interface than the\n"
	"                             way back to its source (which has to forward)\n"
	"      --figures PATH         have a resource there with the daemon's counters in JSON\n"
	"      --metrics ADDRESS:PORT|unix:/PATH\n"
	"                             have them for Prometheus there, by HTTP at /metrics\n"
	"      --metrics-anywhere     allow that at addresses other than loopback, too\n"
	"      --ready-fd N           write a newline to this file descriptor once serving\n"
	"  -v, --verbose              say more: once for INFO, twice for DEBUG\n"
	"  -q, --quiet                say errors only\n"
	"      --version              print the version\n"
	"  -h, --help                 print this\n"
	"\n"
	"For the limits, 0 means none.\n"
	"\n"
	"Of access rules those with the longest PATH that fits count. WHO is * (anybody), secure\n"
	"(by coaps), :LABEL (of the credentials), psk:PATTERN (an identity), subject:PATTERN or\n"
	"name:PATTERN (of a certificate) or key:SHA-256; METHODS are get, post, put, delete, fetch,\n"
	"patch and ipatch with commas between them, or read, all or none.\n"
	"\n"
	"It runs in the foreground until SIGTERM or SIGINT. SIGHUP has it read its credentials again.\n"
	"Exit status: 0 after that,\n"
	"1 when it could not serve, 2 for a mistake on the command line.\n";

__attribute__((format(printf, 1, 2))) static int usage(const char *format, ...)
{
	va_list args;

	fputs("coaxd: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; see coaxd --help\n", stderr);
	return EXIT_USAGE;
}

/* Returns -1 with *value set, or an exit status. */
static int read_number(const char *name, const char *text, unsigned long min, unsigned long max,
		       uint32_t *value)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || number < min || number > max)
		return usage("%s takes a number from %lu to %lu, not \"%s\"", name, min, max, text);
	*value = (uint32_t)number;
	return -1;
}

static int add_to_list(const char *name, const char **list, size_t *count, const char *text)
{
	if (*count == COAXD_LIST_MAX)
		return usage("%s can be given %d times at most", name, COAXD_LIST_MAX);
	list[(*count)++] = text;
	return -1;
}

static int add_bind(struct coaxd_options *options, const char *text)
{
	union coax_address address;

	if (coax_address_parse(&address, text, COAX_PORT))
		return usage("--bind takes ADDRESS[:PORT], with an IPv6 address before a port in "
			     "brackets, not \"%s\"",
			     text);
	return add_to_list("--bind", options->bind, &options->context.bind_count, text);
}

static int add_bind_secure(struct coaxd_options *options, const char *text)
{
	union coax_address address;

	if (coax_address_parse(&address, text, COAX_PORT_SECURE))
		return usage("--bind-secure takes ADDRESS[:PORT], with an IPv6 address before a "
			     "port in brackets, not \"%s\"",
			     text);
	return add_to_list("--bind-secure", options->bind_secure,
			   &options->context.bind_secure_count, text);
}

static int add_access(struct coaxd_options *options, const char *text)
{
	const char *problem = NULL;
	int err = coaxd_security_add_rule(&options->security, text, &problem);

	if (err == -EINVAL)
		return usage("--access \"%s\": %s", text, problem);
	if (err)
		return usage("--access can be given %d times at most", COAXD_RULES_MAX);
	return -1;
}

static int add_interface(struct coaxd_options *options, const char *text)
{
	if (!*text || strlen(text) >= IFNAMSIZ || strchr(text, '/'))
		return usage("--interface takes a network interface's name, not \"%s\"", text);
	return add_to_list("--interface", options->interfaces,
			   &options->context.accel.interface_count, text);
}

/* It becomes the name of a directory. */
static int set_instance(struct coaxd_options *options, const char *text)
{
	if (!coax_accel_instance_is_valid(text))
		return usage(
			"--instance takes a name of up to %d letters, digits, '_' and '-', not "
			"\"%s\"",
			COAX_ACCEL_INSTANCE_MAX, text);
	options->context.accel.instance = text;
	return -1;
}

/* 0 is no limit, where the library has 0 for its default. */
static int set_limit(const char *name, const char *text, unsigned long max, uint32_t *limit)
{
	int status = read_number(name, text, 0, max, limit);

	if (status < 0 && !*limit)
		*limit = COAX_UNLIMITED;
	return status;
}

static int set_prefix_bits(struct coax_guard_options *guard, const char *text)
{
	unsigned int ipv4, ipv6;
	int end = 0;

	if (sscanf(text, "%2u,%2u%n", &ipv4, &ipv6, &end) != 2 || text[end] || !ipv4 || ipv4 > 32 ||
	    !ipv6 || ipv6 > 64)
		return usage("--prefix-bits takes two numbers, up to 32 and 64, such as 24,48, not "
			     "\"%s\"",
			     text);
	guard->ipv4_bits = (uint8_t)ipv4;
	guard->ipv6_bits = (uint8_t)ipv6;
	return -1;
}

/* Returns -1 with the option taken, an exit status, or OPTION_OTHER. */
static int read_security_option(struct coaxd_options *options, int option)
{
	static const char *const secure_only[] = {"dtls"};

	switch (option) {
	case OPTION_BIND_SECURE:
		return add_bind_secure(options, optarg);
	case OPTION_CREDENTIALS:
		options->security.file = optarg;
		return -1;
	case OPTION_SECURE_ONLY:
		options->context.transports = secure_only;
		options->context.transport_count = 1;
		return -1;
	case OPTION_ACCESS:
		return add_access(options, optarg);
	default:
		return OPTION_OTHER;
	}
}

/* The same. */
static int read_guard_option(struct coaxd_options *options, int option)
{
	struct coax_guard_options *guard = &options->context.guard;

	switch (option) {
	case OPTION_ALLOW:
		return add_to_list("--allow", options->allow, &guard->allow_count, optarg);
	case OPTION_DENY:
		return add_to_list("--deny", options->deny, &guard->deny_count, optarg);
	case OPTION_LIMIT_REQUESTS:
		return set_limit("--limit-requests", optarg, LIMIT_MAX, &guard->requests);
	case OPTION_LIMIT_STRANGERS:
		return set_limit("--limit-strangers", optarg, LIMIT_MAX, &guard->strangers);
	case OPTION_AMPLIFICATION:
		return set_limit("--amplification", optarg, AMPLIFICATION_MAX, &guard->factor);
	case OPTION_LIMIT_REPLIES:
		return set_limit("--limit-replies", optarg, LIMIT_MAX, &guard->reply_bytes);
	case OPTION_LIMIT_REPLIES_TOTAL:
		return set_limit("--limit-replies-total", optarg, LIMIT_MAX,
				 &guard->reply_bytes_total);
	case OPTION_PREFIX_BITS:
		return set_prefix_bits(guard, optarg);
	case OPTION_PASS_EVERY:
		return read_number("--pass-every", optarg, 1, LIMIT_MAX, &guard->pass_every);
	case OPTION_STRICT_SOURCE:
		guard->strict_source = true;
		return -1;
	default:
		return OPTION_OTHER;
	}
}

/* The same. */
static int read_monitor_option(struct coaxd_monitor_options *monitor, int option)
{
	switch (option) {
	case OPTION_FIGURES:
		if (*optarg != '/')
			return usage("--figures takes a path that begins with a slash, not \"%s\"",
				     optarg);
		monitor->path = optarg;
		return -1;
	case OPTION_METRICS:
		monitor->metrics = optarg;
		return -1;
	case OPTION_METRICS_ANYWHERE:
		monitor->metrics_anywhere = true;
		return -1;
	default:
		return OPTION_OTHER;
	}
}

static int set_ready_fd(struct coaxd_options *options, const char *text)
{
	uint32_t fd;
	int status = read_number("--ready-fd", text, 0, INT_MAX, &fd);

	if (status >= 0)
		return status;
	/* One that is not open now would name a file that the daemon opens later. */
	if (fcntl((int)fd, F_GETFD) < 0)
		return usage("--ready-fd: file descriptor %" PRIu32 " is not open", fd);
	options->ready_fd = (int)fd;
	return -1;
}

static void say_more(struct coax_logger *logger)
{
	logger->from = logger->from > COAX_LOG_INFO ? COAX_LOG_INFO : COAX_LOG_DEBUG;
}

static int read_option(struct coaxd_options *options, int option)
{
	struct coax_accel_options *accel = &options->context.accel;
	int status = read_guard_option(options, option);

	if (status == OPTION_OTHER)
		status = read_security_option(options, option);
	if (status == OPTION_OTHER)
		status = read_monitor_option(&options->monitor, option);
	if (status != OPTION_OTHER)
		return status;
	switch (option) {
	case 'b':
		return add_bind(options, optarg);
	case 'i':
		return add_interface(options, optarg);
	case OPTION_GROUP:
		return add_to_list("--group", options->groups, &options->context.group_count,
				   optarg);
	case OPTION_INSTANCE:
		return set_instance(options, optarg);
	case OPTION_GENERIC:
		accel->generic = true;
		return -1;
	case OPTION_ROUTE_REPLIES:
		accel->route_replies = true;
		return -1;
	case OPTION_SLOTS:
		return read_number("--slots", optarg, 1, COAX_ACCEL_SLOTS_MAX, &accel->slots);
	case OPTION_EXCHANGES:
		return read_number("--exchanges", optarg, 1, COAX_ACCEL_EXCHANGES_MAX,
				   &accel->exchanges);
	case OPTION_LEASE:
		return read_number("--lease", optarg, LEASE_MIN, LEASE_MAX, &accel->lease_ms);
	case OPTION_WORKERS:
		return read_number("--workers", optarg, 1, WORKERS_MAX, &options->context.workers);
	case OPTION_WRITABLE:
		options->files.writable = true;
		return -1;
	case OPTION_MAX_AGE:
		return read_number("--max-age", optarg, 0, UINT32_MAX, &options->files.max_age);
	case OPTION_MAX_SIZE:
		return read_number("--max-size", optarg, 1, COAX_BODY_LENGTH_MAX,
				   &options->files.size_max);
	case OPTION_MAX_UPLOADS:
		return read_number("--max-uploads", optarg, 1, AT_A_TIME_MAX,
				   &options->files.uploads_max);
	case OPTION_MAX_OPEN:
		return read_number("--max-open", optarg, 1, AT_A_TIME_MAX,
				   &options->files.open_max);
	case OPTION_READY_FD:
		return set_ready_fd(options, optarg);
	case OPTION_REPLACE:
		options->replace = true;
		return -1;
	case OPTION_USER:
		options->user = optarg;
		return -1;
	case 'v':
		say_more(&options->files.logger);
		return -1;
	case 'q':
		options->files.logger.from = COAX_LOG_ERROR;
		return -1;
	case OPTION_VERSION:
		puts("coaxd " COAX_VERSION_TEXT);
		return EXIT_SUCCESS;
	case 'h':
		fputs(help, stdout);
		return EXIT_SUCCESS;
	default:
		/* getopt_long() has said what is wrong. */
		fputs("see coaxd --help\n", stderr);
		return EXIT_USAGE;
	}
}

int coaxd_options_read(struct coaxd_options *options, int argc, char **argv)
{
	int option;

	*options = (struct coaxd_options){
		.ready_fd = -1,
		.files = {.max_age = 60, .logger = {.name = "coaxd", .from = COAX_LOG_WARNING}},
	};
	options->context.bind = options->bind;
	options->context.bind_secure = options->bind_secure;
	options->context.groups = options->groups;
	options->context.accel.interfaces = options->interfaces;
	options->context.guard.allow = options->allow;
	options->context.guard.deny = options->deny;

	while ((option = getopt_long(argc, argv, "b:i:vqh", long_options, NULL)) >= 0) {
		int status = read_option(options, option);

		if (status >= 0)
			return status;
	}
	if (argc - optind != 1)
		return usage(argc == optind ? "say which DIRECTORY is to be served"
					    : "one DIRECTORY only can be served");
	if ((options->context.bind_secure_count || options->context.transport_count) &&
	    !options->security.file)
		return usage("--bind-secure and --secure-only need --credentials");
	if (options->monitor.metrics) {
		const char *problem = coaxd_metrics_check(options->monitor.metrics,
							  options->monitor.metrics_anywhere);

		if (problem)
			return usage("--metrics \"%s\": %s", options->monitor.metrics, problem);
	}
	options->files.directory = argv[optind];
	options->security.logger = &options->files.logger;
	options->context.logger = options->files.logger;
	return -1;
}
