// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/options.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "coaxd/config.h"
#include "coaxd/metrics.h"

#define EXIT_USAGE 2

/* Those from OPTION_SETTING on are the settings of that index. */
enum {
	OPTION_CONFIG = 256,
	OPTION_CHECK,
	OPTION_READY_FD,
	OPTION_REPLACE,
	OPTION_VERSION,
	OPTION_SETTING,
};

static const struct option own_options[] = {
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"check", no_argument, NULL, OPTION_CHECK},
	{"ready-fd", required_argument, NULL, OPTION_READY_FD},
	{"replace", no_argument, NULL, OPTION_REPLACE},
	{"verbose", no_argument, NULL, 'v'},
	{"quiet", no_argument, NULL, 'q'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, 'h'},
};
#define OWN_OPTIONS (sizeof(own_options) / sizeof(own_options[0]))

static const char help[] =
	"Usage: coaxd [options] [DIRECTORY]\n"
	"\n"
	"Serve the files of a directory over CoAP.\n"
	"\n"
	"      --config FILE          what else is to be done (coaxd.conf(5); \"" COAXD_CONFIG
	"\"\n"
	"                             if there is one, and no DIRECTORY); options override it\n"
	"      --check                say what is wrong with all that, and end\n"
	"  -b, --bind ADDRESS[:PORT]  serve at this address only (repeatable; \"*:PORT\" for all\n"
	"                             addresses; default \"*:5683\")\n"
	"      --credentials FILE     speak coaps too, with the keys and certificates in there\n"
	"                             (aiocoap's format)\n"
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
	"      --proxy PREFIX=URI     answer for PREFIX and all below it with what is fetched from\n"
	"                             another server, coap://host:port/path, and kept while it is\n"
	"                             fresh (repeatable; //HOST=URI for what is asked of a host)\n"
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
	"It runs in the foreground until SIGTERM or SIGINT. SIGHUP has it read its configuration file\n"
	"and its credentials again. Exit status: 0 after that, 1 when it could not serve or --check\n"
	"found something, 2 for a mistake on the command line.\n";

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

/*
 * What they are made into.
 */

static struct coaxd_options *create_options(void)
{
	struct coaxd_options *options = calloc(1, sizeof(*options));

	if (!options)
		return NULL;
	for (size_t i = 0; i <= COAXD_SERVED_MAX; i++)
		options->files[i].max_age = COAXD_MAX_AGE;
	options->log.level = COAX_LOG_WARNING;
	options->context.bind = options->bind;
	options->context.bind_secure = options->bind_secure;
	options->context.groups = options->groups;
	options->context.accel.interfaces = options->interfaces;
	options->context.guard.allow = options->allow;
	options->context.guard.deny = options->deny;
	options->proxy.mappings = options->mappings;
	options->proxy.allowed = options->forward;
	options->proxy.prefetch = options->prefetch;
	return options;
}

void coaxd_options_destroy(struct coaxd_options *options)
{
	if (!options)
		return;
	while (options->texts) {
		struct coaxd_text *text = options->texts;

		options->texts = text->next;
		free(text);
	}
	coaxd_security_free(&options->security);
	free(options);
}

bool coaxd_options_have_proxy(const struct coaxd_options *options)
{
	return options->proxy.mapping_count || options->proxy.allowed_count;
}

static const char *served_twice(const struct coaxd_options *options)
{
	for (size_t i = 0; i < options->files_count; i++) {
		const char *prefix = options->files[i].prefix ? options->files[i].prefix : "";

		for (size_t k = 0; k < options->proxy.mapping_count; k++)
			if (options->mappings[k].prefix &&
			    strcmp(prefix, options->mappings[k].prefix) == 0)
				return "the same prefix is served and proxied";
	}
	return NULL;
}

static const char *contradiction(const struct coaxd_options *options)
{
	const char *twice = served_twice(options);

	if (twice)
		return twice;
	if (!options->files_count && !coaxd_options_have_proxy(options))
		return "nothing says which directory is to be served: serve \"/srv/coap\" { }";
	if ((options->context.bind_secure_count || options->context.transport_count) &&
	    !options->security.file)
		return "bind-secure and secure-only need credentials";
	if (options->monitor.metrics)
		return coaxd_metrics_check(options->monitor.metrics,
					   options->monitor.metrics_anywhere);
	return NULL;
}

/* What is about files is about those of all directories. */
static int take_argument(struct coaxd_options *options, const struct coaxd_argument *argument,
			 char problem[COAXD_PROBLEM_MAX])
{
	bool is_directory = argument->setting->serve && !argument->setting->key;
	bool is_for_all = argument->setting->serve && !is_directory && options->files_count;
	size_t count = is_for_all ? options->files_count : 1;
	int err = 0;

	if (is_directory)
		options->files[0].prefix = NULL;

	for (options->files_at = 0; options->files_at < count && !err; options->files_at++)
		err = coaxd_settings_take(options, argument->setting, argument->text, problem);
	options->files_at = 0;
	return err;
}

static int override(struct coaxd_options *options, const struct coaxd_arguments *arguments)
{
	char problem[COAXD_PROBLEM_MAX];
	int err = 0;

	for (size_t i = 0; i < arguments->count; i++)
		coaxd_settings_reset(options, arguments->given[i].setting);
	for (size_t i = 0; i < arguments->count && !err; i++)
		err = take_argument(options, &arguments->given[i], problem);
	for (unsigned int i = 0; i < arguments->verbose; i++)
		options->log.level =
			options->log.level > COAX_LOG_INFO ? COAX_LOG_INFO : COAX_LOG_DEBUG;
	if (arguments->quiet)
		options->log.level = COAX_LOG_ERROR;
	return err;
}

struct coaxd_options *coaxd_options_create(const struct coaxd_arguments *arguments,
					   struct coaxd_problems *problems)
{
	struct coaxd_options *options = create_options();
	unsigned int before = problems->count;
	const char *complaint;
	int err;

	if (!options) {
		coaxd_problem(problems, "%s", strerror(ENOMEM));
		return NULL;
	}
	if (arguments->config)
		coaxd_config_read(options, arguments->config, problems);
	err = override(options, arguments);
	if (err)
		coaxd_problem(problems, "%s", strerror(-err));
	complaint = problems->count == before ? contradiction(options) : NULL;
	if (complaint)
		coaxd_problem(problems, "%s%s%s", arguments->config ? arguments->config : "",
			      arguments->config ? ": " : "", complaint);
	if (problems->count == before) {
		options->context.logger = coaxd_log_make(&options->log);
		for (size_t i = 0; i < options->files_count; i++)
			options->files[i].logger = options->context.logger;
		options->proxy.logger = options->context.logger;
		return options;
	}
	coaxd_options_destroy(options);
	return NULL;
}

/*
 * The command line.
 */

static int set_ready_fd(struct coaxd_arguments *arguments, const char *text)
{
	unsigned long fd;
	char *end;

	errno = 0;
	fd = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || fd > INT_MAX)
		return usage("--ready-fd takes a number from 0 to %d, not \"%s\"", INT_MAX, text);
	/* One that is not open now would name a file that the daemon opens later. */
	if (fcntl((int)fd, F_GETFD) < 0)
		return usage("--ready-fd: file descriptor %lu is not open", fd);
	arguments->ready_fd = (int)fd;
	return -1;
}

/* `scratch` takes it, to see whether that goes. */
static int add_setting(struct coaxd_arguments *arguments, struct coaxd_options *scratch,
		       const struct coaxd_setting *setting, const char *text)
{
	char problem[COAXD_PROBLEM_MAX];
	int err = coaxd_settings_take(scratch, setting, text, problem);

	arguments->given[arguments->count++] =
		(struct coaxd_argument){.setting = setting, .text = text};
	if (!err)
		return -1;
	return usage("%s%s %s", setting->option ? "--" : "",
		     setting->option ? setting->option : "DIRECTORY",
		     err == -EINVAL ? problem : strerror(-err));
}

static int read_option(struct coaxd_arguments *arguments, struct coaxd_options *scratch, int option)
{
	switch (option) {
	case OPTION_CONFIG:
		arguments->config = optarg;
		return -1;
	case OPTION_CHECK:
		arguments->check = true;
		return -1;
	case OPTION_READY_FD:
		return set_ready_fd(arguments, optarg);
	case OPTION_REPLACE:
		arguments->replace = true;
		return -1;
	case 'v':
		arguments->verbose++;
		return -1;
	case 'q':
		arguments->quiet = true;
		return -1;
	case OPTION_VERSION:
		puts("coaxd " COAX_VERSION_TEXT);
		return EXIT_SUCCESS;
	case 'h':
		fputs(help, stdout);
		return EXIT_SUCCESS;
	}
	if (option < OPTION_SETTING) {
		/* getopt_long() has said what is wrong. */
		fputs("see coaxd --help\n", stderr);
		return EXIT_USAGE;
	}
	return add_setting(arguments, scratch, &coaxd_settings[option - OPTION_SETTING],
			   optarg ? optarg : "yes");
}

/* "b" for "bind", which are the same. */
static int long_of(int option)
{
	const char *name = option == 'b' ? "bind" : option == 'i' ? "interface" : NULL;

	for (size_t i = 0; name && i < coaxd_setting_count; i++)
		if (coaxd_settings[i].option && strcmp(coaxd_settings[i].option, name) == 0)
			return OPTION_SETTING + (int)i;
	return option;
}

static struct option *make_options(void)
{
	struct option *options = calloc(OWN_OPTIONS + coaxd_setting_count + 1, sizeof(*options));
	size_t count = OWN_OPTIONS;

	if (!options)
		return NULL;
	memcpy(options, own_options, sizeof(own_options));
	for (size_t i = 0; i < coaxd_setting_count; i++)
		if (coaxd_settings[i].option)
			options[count++] = (struct option){
				.name = coaxd_settings[i].option,
				.has_arg = coaxd_settings[i].flag ? no_argument : required_argument,
				.val = OPTION_SETTING + (int)i,
			};
	return options;
}

static const struct coaxd_setting *directory_setting(void)
{
	const struct coaxd_setting *setting = coaxd_settings;

	while (!setting->section || strcmp(setting->section, "serve") != 0 || setting->key)
		setting++;
	return setting;
}

static int read_all(struct coaxd_arguments *arguments, struct coaxd_options *scratch,
		    const struct option *options, int argc, char **argv)
{
	const char *complaint;
	int option, status = -1;

	while (status < 0 && (option = getopt_long(argc, argv, "b:i:vqh", options, NULL)) >= 0)
		status = read_option(arguments, scratch, long_of(option));
	if (status >= 0)
		return status;
	if (argc - optind > 1)
		return usage("one DIRECTORY only can be served");
	if (argc > optind)
		status = add_setting(arguments, scratch, directory_setting(), argv[optind]);
	else if (!arguments->config && access(COAXD_CONFIG, F_OK) == 0)
		arguments->config = COAXD_CONFIG;
	else if (!arguments->config && !coaxd_options_have_proxy(scratch))
		return usage("say which DIRECTORY is to be served, or which --config file says "
			     "that (there is no " COAXD_CONFIG ")");
	complaint = arguments->config || status >= 0 ? NULL : contradiction(scratch);
	return complaint ? usage("%s", complaint) : status;
}

int coaxd_arguments_read(struct coaxd_arguments *arguments, int argc, char **argv)
{
	struct coaxd_options *scratch = create_options();
	struct option *options = make_options();
	int status = EXIT_FAILURE;

	*arguments = (struct coaxd_arguments){.ready_fd = -1};
	arguments->given = calloc((size_t)argc + 1, sizeof(*arguments->given));
	if (scratch && options && arguments->given)
		status = read_all(arguments, scratch, options, argc, argv);
	else
		perror("coaxd");
	free(options);
	coaxd_options_destroy(scratch);
	return status;
}

void coaxd_arguments_free(struct coaxd_arguments *arguments)
{
	free(arguments->given);
}
