// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/settings.h"
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "accel/accel.h"
#include "accel/guard.h"
#include "coaxd/metrics.h"
#include "coaxd/options.h"
#include "proxy/origin.h"

#define LEASE_MIN	  100
#define LEASE_MAX	  3600000
#define WORKERS_MAX	  256 /* what a Context takes */

#define AT_A_TIME_MAX	  65536

#define LIMIT_MAX	  1000000000
#define AMPLIFICATION_MAX 1024 /* what a Context takes */

#define OBSERVERS_MAX	  4194304
#define BODIES_MIN	  1048576 /* a Context's body_max */

/* Both together are at most COAX_ACCEL_SESSIONS_MAX. */
#define SESSIONS_MAX   1048576
#define HANDSHAKES_MAX 65536

__attribute__((format(printf, 2, 3))) static int refuse(char problem[COAXD_PROBLEM_MAX],
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(problem, COAXD_PROBLEM_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

static void *field_of(struct coaxd_options *options, const struct coaxd_setting *setting)
{
	size_t skipped = setting->serve ? options->files_at * sizeof(options->files[0]) : 0;

	return (char *)options + setting->at + skipped;
}

static size_t *count_of(struct coaxd_options *options, const struct coaxd_setting *setting)
{
	return (size_t *)((char *)options + setting->count_at);
}

/*
 * How values are written.
 */

static int read_number(const struct coaxd_setting *setting, const char *text, uint32_t *value,
		       char problem[COAXD_PROBLEM_MAX])
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || number < setting->min ||
	    number > setting->max)
		return refuse(problem, "takes a number from %u to %u, not \"%s\"", setting->min,
			      setting->max, text);
	*value = (uint32_t)number;
	return 0;
}

static int take_number(struct coaxd_options *options, const struct coaxd_setting *setting,
		       const char *text, char problem[COAXD_PROBLEM_MAX])
{
	return read_number(setting, text, field_of(options, setting), problem);
}

static int take_wide_number(struct coaxd_options *options, const struct coaxd_setting *setting,
			    const char *text, char problem[COAXD_PROBLEM_MAX])
{
	uint32_t number;
	int err = read_number(setting, text, &number, problem);

	if (!err)
		*(uint64_t *)field_of(options, setting) = number;
	return err;
}

static int take_byte(struct coaxd_options *options, const struct coaxd_setting *setting,
		     const char *text, char problem[COAXD_PROBLEM_MAX])
{
	uint32_t number;
	int err = read_number(setting, text, &number, problem);

	if (!err)
		*(uint8_t *)field_of(options, setting) = (uint8_t)number;
	return err;
}

/* 0 is no limit, where the library has 0 for its default. */
static int take_limit(struct coaxd_options *options, const struct coaxd_setting *setting,
		      const char *text, char problem[COAXD_PROBLEM_MAX])
{
	uint32_t *limit = field_of(options, setting);
	int err = take_number(options, setting, text, problem);

	if (!err && !*limit)
		*limit = COAX_UNLIMITED;
	return err;
}

static int read_flag(const char *text, bool *flag, char problem[COAXD_PROBLEM_MAX])
{
	*flag = strcasecmp(text, "yes") == 0 || strcasecmp(text, "true") == 0 ||
		strcasecmp(text, "on") == 0;
	if (*flag || strcasecmp(text, "no") == 0 || strcasecmp(text, "false") == 0 ||
	    strcasecmp(text, "off") == 0)
		return 0;
	return refuse(problem, "takes yes or no, not \"%s\"", text);
}

static int take_flag(struct coaxd_options *options, const struct coaxd_setting *setting,
		     const char *text, char problem[COAXD_PROBLEM_MAX])
{
	return read_flag(text, field_of(options, setting), problem);
}

static int take_secure_only(struct coaxd_options *options, const struct coaxd_setting *setting,
			    const char *text, char problem[COAXD_PROBLEM_MAX])
{
	static const char *const secure_only[] = {"dtls"};
	bool flag;
	int err = read_flag(text, &flag, problem);

	(void)setting;
	if (err)
		return err;
	options->context.transports = secure_only;
	options->context.transport_count = flag ? 1 : 0;
	return 0;
}

static int take_text(struct coaxd_options *options, const struct coaxd_setting *setting,
		     const char *text, char problem[COAXD_PROBLEM_MAX])
{
	if (!*text)
		return refuse(problem, "takes a name, not an empty one");
	*(const char **)field_of(options, setting) = text;
	return 0;
}

/* The command line's takes the place of all that the file has. */
static int take_directory(struct coaxd_options *options, const struct coaxd_setting *setting,
			  const char *text, char problem[COAXD_PROBLEM_MAX])
{
	struct coaxd_files_options *files = &options->files[options->files_at];

	(void)setting;
	if (!*text)
		return refuse(problem, "takes a directory, not an empty name");
	if (options->files_at == COAXD_SERVED_MAX)
		return refuse(problem, "can be there %u times at most", COAXD_SERVED_MAX);
	for (size_t i = 0; i < options->files_at; i++)
		if (strcmp(options->files[i].prefix ? options->files[i].prefix : "",
			   files->prefix ? files->prefix : "") == 0)
			return refuse(problem, "is for a prefix that another one has: \"/%s\"",
				      files->prefix ? files->prefix : "");
	files->directory = text;
	options->files_count = options->files_at + 1;
	return 0;
}

static int take_prefix(struct coaxd_options *options, const struct coaxd_setting *setting,
		       const char *text, char problem[COAXD_PROBLEM_MAX])
{
	const char *prefix = text + (*text == '/');
	unsigned int depth;

	(void)setting;
	options->files[options->files_at].prefix = prefix;
	if (!coaxd_path_is_prefix(prefix, &depth))
		return refuse(problem, "takes a path of names, such as /rooms/attic, not \"%s\"",
			      text);
	return 0;
}

static int add_text(struct coaxd_options *options, const struct coaxd_setting *setting,
		    const char *text, char problem[COAXD_PROBLEM_MAX])
{
	const char **list = field_of(options, setting);
	size_t *count = count_of(options, setting);

	if (*count == setting->max)
		return refuse(problem, "can be given %u times at most", setting->max);
	list[(*count)++] = text;
	return 0;
}

static int add_address(struct coaxd_options *options, const struct coaxd_setting *setting,
		       const char *text, char problem[COAXD_PROBLEM_MAX])
{
	union coax_address address;

	if (coax_address_parse(&address, text, COAX_PORT))
		return refuse(problem,
			      "takes ADDRESS[:PORT], with an IPv6 address before a port in "
			      "brackets, not \"%s\"",
			      text);
	return add_text(options, setting, text, problem);
}

static int add_interface(struct coaxd_options *options, const struct coaxd_setting *setting,
			 const char *text, char problem[COAXD_PROBLEM_MAX])
{
	if (!*text || strlen(text) >= IFNAMSIZ || strchr(text, '/'))
		return refuse(problem, "takes a network interface's name, not \"%s\"", text);
	return add_text(options, setting, text, problem);
}

static int add_prefix(struct coaxd_options *options, const struct coaxd_setting *setting,
		      const char *text, char problem[COAXD_PROBLEM_MAX])
{
	if (!coax_guard_is_prefix(text))
		return refuse(problem,
			      "takes a prefix, such as 192.0.2.0/24 or 2001:db8::/32, not \"%s\"",
			      text);
	return add_text(options, setting, text, problem);
}

/* It becomes the name of a directory. */
static int take_instance(struct coaxd_options *options, const struct coaxd_setting *setting,
			 const char *text, char problem[COAXD_PROBLEM_MAX])
{
	(void)setting;
	if (!coax_accel_instance_is_valid(text))
		return refuse(problem,
			      "takes a name of up to %d letters, digits, '_' and '-', not \"%s\"",
			      COAX_ACCEL_INSTANCE_MAX, text);
	options->context.accel.instance = text;
	return 0;
}

static int take_prefix_bits(struct coaxd_options *options, const struct coaxd_setting *setting,
			    const char *text, char problem[COAXD_PROBLEM_MAX])
{
	unsigned int ipv4, ipv6;
	int end = 0;

	(void)setting;
	if (sscanf(text, "%2u,%2u%n", &ipv4, &ipv6, &end) != 2 || text[end] || !ipv4 || ipv4 > 32 ||
	    !ipv6 || ipv6 > 64)
		return refuse(problem,
			      "takes two numbers, up to 32 and 64, such as \"24,48\", not \"%s\"",
			      text);
	options->context.guard.ipv4_bits = (uint8_t)ipv4;
	options->context.guard.ipv6_bits = (uint8_t)ipv6;
	return 0;
}

static int add_access(struct coaxd_options *options, const struct coaxd_setting *setting,
		      const char *text, char problem[COAXD_PROBLEM_MAX])
{
	const char *what = NULL;
	int err = coaxd_security_add_rule(&options->security, text, &what);

	if (err == -EINVAL)
		return refuse(problem, "\"%s\": %s", text, what);
	if (err == -ENOSPC)
		return refuse(problem, "can be given %u times at most", setting->max);
	return err;
}

/* Not a setting's text, but as long there. */
static struct coaxd_text *keep(struct coaxd_options *options, const struct coaxd_setting *setting,
			       const char *text, size_t length)
{
	struct coaxd_text **end = &options->texts;
	struct coaxd_text *kept = calloc(1, sizeof(*kept) + length + 1);

	if (!kept)
		return NULL;
	kept->setting = setting;
	memcpy(kept->text, text, length);
	while (*end)
		end = &(*end)->next;
	*end = kept;
	return kept;
}

/* "/sensors" is a prefix, and so is "sensors"; "//sensors.example" a host. */
static struct coax_proxy_mapping *find_mapping(struct coaxd_options *options, const char *name)
{
	size_t count = options->proxy.mapping_count;
	bool is_host = strncmp(name, "//", 2) == 0;
	struct coax_proxy_mapping *mapping;

	name += is_host ? 2 : *name == '/';
	for (size_t i = 0; i < count; i++) {
		const char *other =
			is_host ? options->mappings[i].host : options->mappings[i].prefix;

		if (other && strcmp(other, name) == 0)
			return &options->mappings[i];
	}
	if (count == COAXD_MAPPINGS_MAX)
		return NULL;
	mapping = &options->mappings[options->proxy.mapping_count++];
	*mapping = (struct coax_proxy_mapping){
		.prefix = is_host ? NULL : name,
		.host = is_host ? name : NULL,
		.origins = options->origins[count],
	};
	return mapping;
}

/* "sensors=coap://192.0.2.1/" */
static int add_origin(struct coaxd_options *options, const struct coaxd_setting *setting,
		      const char *text, char problem[COAXD_PROBLEM_MAX])
{
	const char *uri = strchr(text, '='), *error = NULL;
	struct coax_proxy_mapping *mapping;
	struct coax_origin origin;
	struct coaxd_text *name;
	int err;

	if (!uri || uri == text)
		return refuse(problem, "takes PREFIX=URI, not \"%s\"", text);
	err = coax_origin_create(&origin, uri + 1, &error);
	if (err == -ENOMEM)
		return err;
	if (err)
		return refuse(problem, "takes URIs such as coap://192.0.2.1, not \"%s\": %s",
			      uri + 1, error ? error : strerror(-err));
	coax_origin_destroy(&origin);
	name = keep(options, NULL, text, (size_t)(uri - text));
	if (!name)
		return -ENOMEM;
	if (strncmp(name->text, "//", 2) == 0 ? !name->text[2]
					      : !coax_mapping_is_prefix(name->text))
		return refuse(problem, "is for a path as in a URI, or //HOST, not \"%s\"",
			      name->text);
	mapping = find_mapping(options, name->text);
	if (!mapping || mapping->origin_count == COAXD_ORIGINS_MAX)
		return refuse(problem, "can be given %u times at most, and %u for one prefix",
			      setting->max, COAXD_ORIGINS_MAX);
	options->origins[mapping - options->mappings][mapping->origin_count++] = uri + 1;
	return 0;
}

static int add_prefetch(struct coaxd_options *options, const struct coaxd_setting *setting,
			const char *text, char problem[COAXD_PROBLEM_MAX])
{
	if (!coax_prefetch_is_path(text))
		return refuse(problem, "takes a path as in a URI, not \"%s\"", text);
	return add_text(options, setting, text, problem);
}

static int add_forward(struct coaxd_options *options, const struct coaxd_setting *setting,
		       const char *text, char problem[COAXD_PROBLEM_MAX])
{
	if (!coax_allowed_is_pattern(text))
		return refuse(problem,
			      "takes HOST, *.DOMAIN or *, with :PORT or :* behind, not \"%s\"",
			      text);
	return add_text(options, setting, text, problem);
}

static int take_level(struct coaxd_options *options, const struct coaxd_setting *setting,
		      const char *text, char problem[COAXD_PROBLEM_MAX])
{
	(void)setting;
	for (enum coax_log_level level = COAX_LOG_DEBUG; level <= COAX_LOG_ERROR; level++) {
		if (strcasecmp(text, coax_log_level_name(level)) != 0)
			continue;
		options->log.level = level;
		return 0;
	}
	return refuse(problem, "takes error, warning, info or debug, not \"%s\"", text);
}

static int take_format(struct coaxd_options *options, const struct coaxd_setting *setting,
		       const char *text, char problem[COAXD_PROBLEM_MAX])
{
	static const char *const formats[] = {
		[COAXD_LOG_AUTO] = "auto",
		[COAXD_LOG_PLAIN] = "plain",
		[COAXD_LOG_JOURNAL] = "journal",
	};

	(void)setting;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(text, formats[i]) != 0)
			continue;
		options->log.format = (enum coaxd_log_format)i;
		return 0;
	}
	return refuse(problem, "takes auto, plain or journal, not \"%s\"", text);
}

static int take_figures(struct coaxd_options *options, const struct coaxd_setting *setting,
			const char *text, char problem[COAXD_PROBLEM_MAX])
{
	(void)setting;
	if (*text != '/')
		return refuse(problem, "takes a path that begins with a slash, not \"%s\"", text);
	options->monitor.path = text;
	return 0;
}

static int take_metrics(struct coaxd_options *options, const struct coaxd_setting *setting,
			const char *text, char problem[COAXD_PROBLEM_MAX])
{
	/* Whether it may be is seen when all is known. */
	const char *what = coaxd_metrics_check(text, true);

	(void)setting;
	if (what)
		return refuse(problem, "takes %s, not \"%s\"", what, text);
	options->monitor.metrics = text;
	return 0;
}

/*
 * What there is.
 */

#define AT(field)		   .at = offsetof(struct coaxd_options, field)
#define LIST(field)		   .list = true, AT(field)
#define OF(field)		   .count_at = offsetof(struct coaxd_options, field)
#define FILES			   .section = "serve", .serve = true
#define PROXIES			   .section = "proxies"
#define KERNEL			   .section = "kernel"
#define SECURITY		   .section = "security"
#define LIMITS			   .section = "limits"
#define MONITOR			   .section = "monitor"
#define NUMBER(field, least, most) .take = take_number, .min = (least), .max = (most), AT(field)
#define LIMIT(field, most)	   .take = take_limit, .max = (most), AT(context.guard.field)
#define FLAG(field)		   .take = take_flag, .flag = true, AT(field)
#define TEXT(field)		   .take = take_text, AT(field)

const struct coaxd_setting coaxd_settings[] = {
	{.key = "bind",
	 .option = "bind",
	 .take = add_address,
	 .max = COAXD_LIST_MAX,
	 LIST(bind),
	 OF(context.bind_count),
	 .fixed = true},
	{.key = "group",
	 .option = "group",
	 .take = add_text,
	 .max = COAXD_LIST_MAX,
	 LIST(groups),
	 OF(context.group_count),
	 .fixed = true},
	{.key = "instance", .option = "instance", .take = take_instance, .fixed = true},
	{.key = "workers",
	 .option = "workers",
	 NUMBER(context.workers, 1, WORKERS_MAX),
	 .fixed = true},
	{.key = "user", .option = "user", TEXT(user), .fixed = true},

	{FILES, .take = take_directory},
	{FILES, .key = "prefix", .take = take_prefix},
	{FILES, .key = "writable", .option = "writable", FLAG(files[0].writable)},
	{FILES, .key = "max-age", .option = "max-age", NUMBER(files[0].max_age, 0, UINT32_MAX)},
	{FILES, .key = "max-size", .option = "max-size",
	 NUMBER(files[0].size_max, 1, COAX_BODY_LENGTH_MAX)},
	{FILES, .key = "max-uploads", .option = "max-uploads",
	 NUMBER(files[0].uploads_max, 1, AT_A_TIME_MAX)},
	{FILES, .key = "max-open", .option = "max-open",
	 NUMBER(files[0].open_max, 1, AT_A_TIME_MAX)},

	{KERNEL, .key = "interface", .option = "interface", .take = add_interface,
	 .max = COAXD_LIST_MAX, LIST(interfaces), OF(context.accel.interface_count)},
	{KERNEL, .key = "generic", .option = "generic", FLAG(context.accel.generic), .fixed = true},
	{KERNEL, .key = "route-replies", .option = "route-replies",
	 FLAG(context.accel.route_replies), .fixed = true},
	{KERNEL, .key = "slots", .option = "slots",
	 NUMBER(context.accel.slots, 1, COAX_ACCEL_SLOTS_MAX), .fixed = true},
	{KERNEL, .key = "exchanges", .option = "exchanges",
	 NUMBER(context.accel.exchanges, 1, COAX_ACCEL_EXCHANGES_MAX), .fixed = true},
	{KERNEL, .key = "lease", .option = "lease",
	 NUMBER(context.accel.lease_ms, LEASE_MIN, LEASE_MAX), .fixed = true},

	{SECURITY, .key = "credentials", .option = "credentials", TEXT(security.file)},
	{SECURITY, .key = "bind-secure", .option = "bind-secure", .take = add_address,
	 .max = COAXD_LIST_MAX, LIST(bind_secure), OF(context.bind_secure_count), .fixed = true},
	{SECURITY, .key = "secure-only", .option = "secure-only", .take = take_secure_only,
	 .flag = true, .fixed = true},
	{SECURITY, .key = "sessions", NUMBER(context.tuning.sessions_max, 1, SESSIONS_MAX),
	 .fixed = true},
	{SECURITY, .key = "handshakes", NUMBER(context.tuning.handshakes_max, 1, HANDSHAKES_MAX),
	 .fixed = true},
	{SECURITY, .key = "session-idle", NUMBER(context.tuning.session_idle_ms, 1000, UINT32_MAX),
	 .fixed = true},

	{.section = "access",
	 .key = "allow",
	 .option = "access",
	 .take = add_access,
	 .max = COAXD_RULES_MAX,
	 .list = true,
	 OF(security.rule_count)},

	{LIMITS, .key = "allow", .option = "allow", .take = add_prefix, .max = COAXD_PREFIXES_MAX,
	 LIST(allow), OF(context.guard.allow_count)},
	{LIMITS, .key = "deny", .option = "deny", .take = add_prefix, .max = COAXD_PREFIXES_MAX,
	 LIST(deny), OF(context.guard.deny_count)},
	{LIMITS, .key = "requests", .option = "limit-requests", LIMIT(requests, LIMIT_MAX)},
	{LIMITS, .key = "strangers", .option = "limit-strangers", LIMIT(strangers, LIMIT_MAX)},
	{LIMITS, .key = "amplification", .option = "amplification",
	 LIMIT(factor, AMPLIFICATION_MAX)},
	{LIMITS, .key = "replies", .option = "limit-replies", LIMIT(reply_bytes, LIMIT_MAX)},
	{LIMITS, .key = "replies-total", .option = "limit-replies-total",
	 LIMIT(reply_bytes_total, LIMIT_MAX)},
	{LIMITS, .key = "prefix-bits", .option = "prefix-bits", .take = take_prefix_bits},
	{LIMITS, .key = "pass-every", .option = "pass-every",
	 NUMBER(context.guard.pass_every, 1, LIMIT_MAX)},
	{LIMITS, .key = "strict-source", .option = "strict-source",
	 FLAG(context.guard.strict_source)},
	{LIMITS, .key = "observers", NUMBER(context.tuning.observers_max, 1, OBSERVERS_MAX),
	 .fixed = true},
	{LIMITS, .key = "observers-per-peer",
	 NUMBER(context.tuning.observers_per_peer, 1, OBSERVERS_MAX), .fixed = true},
	{LIMITS, .key = "bodies", .take = take_wide_number, .min = BODIES_MIN, .max = UINT32_MAX,
	 AT(context.tuning.bodies_max), .fixed = true},
	{LIMITS, .key = "bodies-per-peer", NUMBER(context.tuning.bodies_per_peer, 1, AT_A_TIME_MAX),
	 .fixed = true},

	{.section = "proxy",
	 .key = "origin",
	 .option = "proxy",
	 .take = add_origin,
	 .max = COAXD_MAPPINGS_MAX,
	 .list = true,
	 OF(proxy.mapping_count)},
	{PROXIES, .key = "cache", .take = take_wide_number, .min = 65536, .max = UINT32_MAX,
	 AT(proxy.cache_bytes)},
	{PROXIES, .key = "max-body", .take = take_wide_number, .min = 1024,
	 .max = COAX_BODY_LENGTH_MAX, AT(proxy.body_max)},
	{PROXIES, .key = "timeout", NUMBER(proxy.timeout_ms, 100, 3600000)},
	{PROXIES, .key = "stale-if-error", NUMBER(proxy.stale_if_error, 0, UINT32_MAX)},
	{PROXIES, .key = "hop-limit", .take = take_byte, .min = 1, .max = 255, AT(proxy.hop_limit)},
	{PROXIES, .key = "nstart", NUMBER(context.tuning.nstart_max, 1, 1024), .fixed = true},
	{PROXIES, .key = "identity", TEXT(proxy.identity)},
	{PROXIES, .key = "prefetch", .take = add_prefetch, .max = COAXD_PREFIXES_MAX,
	 LIST(prefetch), OF(proxy.prefetch_count)},
	{PROXIES, .key = "forward", .take = add_forward, .max = COAXD_PREFIXES_MAX, LIST(forward),
	 OF(proxy.allowed_count)},
	{MONITOR, .key = "figures", .option = "figures", .take = take_figures, .fixed = true},
	{MONITOR, .key = "metrics", .option = "metrics", .take = take_metrics, .fixed = true},
	{MONITOR, .key = "metrics-anywhere", .option = "metrics-anywhere",
	 FLAG(monitor.metrics_anywhere), .fixed = true},

	{.section = "log", .key = "level", .take = take_level},
	{.section = "log", .key = "format", .take = take_format, .fixed = true},
};

const size_t coaxd_setting_count = sizeof(coaxd_settings) / sizeof(coaxd_settings[0]);

/*
 * Taking them, and what was taken.
 */

int coaxd_settings_take(struct coaxd_options *options, const struct coaxd_setting *setting,
			const char *text, char problem[COAXD_PROBLEM_MAX])
{
	const struct coaxd_text *kept = keep(options, setting, text, strlen(text));

	if (!kept)
		return -ENOMEM;
	return setting->take(options, setting, kept->text, problem);
}

static const struct coaxd_text *find(const struct coaxd_text *text,
				     const struct coaxd_setting *setting)
{
	while (text && text->setting != setting)
		text = text->next;
	return text;
}

bool coaxd_settings_have(const struct coaxd_options *options, const struct coaxd_setting *setting)
{
	return find(options->texts, setting);
}

void coaxd_settings_reset(struct coaxd_options *options, const struct coaxd_setting *setting)
{
	for (struct coaxd_text *text = options->texts; text; text = text->next)
		if (text->setting == setting)
			text->setting = NULL;
	if (setting->take == add_access)
		coaxd_security_free(&options->security);
	else if (setting->list)
		*count_of(options, setting) = 0;
}

bool coaxd_settings_are_equal(const struct coaxd_options *a, const struct coaxd_options *b,
			      const struct coaxd_setting *setting)
{
	const struct coaxd_text *first = find(a->texts, setting);
	const struct coaxd_text *second = find(b->texts, setting);

	while (first && second && strcmp(first->text, second->text) == 0) {
		first = find(first->next, setting);
		second = find(second->next, setting);
	}
	return !first && !second;
}

const char *coaxd_settings_name(const struct coaxd_setting *setting, char name[64])
{
	snprintf(name, 64, "%s%s%s", setting->section ? setting->section : "",
		 setting->section && setting->key ? ": " : "", setting->key ? setting->key : "");
	return name;
}
