// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/figures.h"
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>
#include <coax/maps.h>

/* A field of a structure of counters. */
struct counter {
	const char *name;
	const char *help;
	enum coaxd_figure_type type;
	struct coaxd_label label;
	size_t offset;
};

#define FIELD(name)	  offsetof(struct coax_context_stats, name)
#define PROXY_FIELD(name) offsetof(struct coax_proxy_stats, name)
#define PROXIED		  "Requests to the proxy that may be answered from its cache"
#define DATAGRAMS	  "Datagrams of CoAP and DTLS"
#define MALFORMED	  "Datagrams that are no CoAP message"
#define RESETS		  "Resets"
#define GUARDED		  "Requests and datagrams that the guard turned away"
#define BLOCKS		  "Blocks of bodies"
#define HANDSHAKES	  "DTLS handshakes"

/* clang-format off */
static const struct counter counters[] = {
	{"coax_datagrams_total", DATAGRAMS, COAXD_COUNTER, {"direction", "in"}, FIELD(datagrams_in)},
	{"coax_datagrams_total", DATAGRAMS, COAXD_COUNTER, {"direction", "out"}, FIELD(datagrams_out)},
	{"coax_datagrams_unsent_total", "Datagrams not sent, for want of room in the network stack",
	 COAXD_COUNTER, {0}, FIELD(datagrams_dropped)},
	{"coax_requests_total", "Requests that userspace handled", COAXD_COUNTER, {0}, FIELD(requests)},
	{"coax_responses_total", "Responses that userspace sent", COAXD_COUNTER, {0}, FIELD(responses)},
	{"coax_duplicates_total", "Requests that came to userspace again", COAXD_COUNTER, {0},
	 FIELD(duplicates)},
	{"coax_retransmissions_total", "Own confirmable messages sent again", COAXD_COUNTER, {0},
	 FIELD(retransmissions)},
	{"coax_timeouts_total", "Own confirmable messages that nobody acknowledged", COAXD_COUNTER, {0},
	 FIELD(timeouts)},
	{"coax_malformed_total", MALFORMED, COAXD_COUNTER, {"reason", "short"}, FIELD(malformed_short)},
	{"coax_malformed_total", MALFORMED, COAXD_COUNTER, {"reason", "token"}, FIELD(malformed_token)},
	{"coax_malformed_total", MALFORMED, COAXD_COUNTER, {"reason", "empty"}, FIELD(malformed_empty)},
	{"coax_malformed_total", MALFORMED, COAXD_COUNTER, {"reason", "options"},
	 FIELD(malformed_options)},
	{"coax_malformed_total", MALFORMED, COAXD_COUNTER, {"reason", "marker"},
	 FIELD(malformed_marker)},
	{"coax_ignored_total", "Messages ignored: unmatched ones, other versions, reserved codes",
	 COAXD_COUNTER, {0}, FIELD(ignored)},
	{"coax_ignored_version_total", "Of those ignored, other versions of CoAP", COAXD_COUNTER, {0},
	 FIELD(ignored_version)},
	{"coax_ignored_code_total", "Of those ignored, codes of reserved classes", COAXD_COUNTER, {0},
	 FIELD(ignored_code)},
	{"coax_resets_total", RESETS, COAXD_COUNTER, {"direction", "in"}, FIELD(resets_in)},
	{"coax_resets_total", RESETS, COAXD_COUNTER, {"direction", "out"}, FIELD(resets_out)},
	{"coax_pings_total", "Pings that userspace answered", COAXD_COUNTER, {0}, FIELD(pings)},
	{"coax_published_total", "Replies given to the kernel half", COAXD_COUNTER, {0},
	 FIELD(published)},
	{"coax_refused_total", "Requests not run because a limit was reached", COAXD_COUNTER, {0},
	 FIELD(refused)},
	{"coax_guarded_total", GUARDED, COAXD_COUNTER, {"verdict", "denied"}, FIELD(denied)},
	{"coax_guarded_total", GUARDED, COAXD_COUNTER, {"verdict", "limited"}, FIELD(limited)},
	{"coax_guarded_total", GUARDED, COAXD_COUNTER, {"verdict", "challenged"}, FIELD(challenged)},
	{"coax_observers", "Observers registered now", COAXD_GAUGE, {0}, FIELD(observers)},
	{"coax_notifications_total", "Notifications sent", COAXD_COUNTER, {0}, FIELD(notifications)},
	{"coax_observers_lost_total", "Observers ended by a reset, a network error or no acknowledgement",
	 COAXD_COUNTER, {0}, FIELD(observers_lost)},
	{"coax_blocks_total", BLOCKS, COAXD_COUNTER, {"direction", "in"}, FIELD(blocks_in)},
	{"coax_blocks_total", BLOCKS, COAXD_COUNTER, {"direction", "out"}, FIELD(blocks_out)},
	{"coax_bodies_bytes", "Memory that bodies on their way take now", COAXD_GAUGE, {0},
	 FIELD(bodies)},
	{"coax_sessions", "Secure sessions established now", COAXD_GAUGE, {0}, FIELD(sessions)},
	{"coax_handshakes_total", HANDSHAKES, COAXD_COUNTER, {"result", "established"},
	 FIELD(handshakes)},
	{"coax_handshakes_total", HANDSHAKES, COAXD_COUNTER, {"result", "failed"},
	 FIELD(handshakes_failed)},
	{"coax_handshakes_resumed_total", "Of the handshakes established, those of former sessions",
	 COAXD_COUNTER, {0}, FIELD(handshakes_resumed)},
	{"coax_hellos_verified_total", "ClientHellos answered with a HelloVerifyRequest in userspace",
	 COAXD_COUNTER, {0}, FIELD(hellos_verified)},
	{"coax_records_dropped_total", "DTLS records of no session, damaged, or replayed",
	 COAXD_COUNTER, {0}, FIELD(records_dropped)},
};

static const struct counter worker_counters[] = {
	{"coax_worker_datagrams_total", "Datagrams that a worker received", COAXD_COUNTER,
	 {"worker", NULL}, FIELD(datagrams_in)},
	{"coax_worker_requests_total", "Requests that a worker handled", COAXD_COUNTER,
	 {"worker", NULL}, FIELD(requests)},
	{"coax_worker_sessions", "Secure sessions that a worker has now", COAXD_GAUGE,
	 {"worker", NULL}, FIELD(sessions)},
};

static const struct counter proxy_counters[] = {
	{"coax_proxy_requests_total", PROXIED, COAXD_COUNTER, {"result", "hit"}, PROXY_FIELD(hits)},
	{"coax_proxy_requests_total", PROXIED, COAXD_COUNTER, {"result", "miss"}, PROXY_FIELD(misses)},
	{"coax_proxy_requests_total", PROXIED, COAXD_COUNTER, {"result", "stale"}, PROXY_FIELD(stale)},
	{"coax_proxy_joined_total", "Of the misses, those that waited for what somebody else had asked for",
	 COAXD_COUNTER, {0}, PROXY_FIELD(joined)},
	{"coax_proxy_forwarded_total", "Requests sent to origins", COAXD_COUNTER, {0},
	 PROXY_FIELD(forwarded)},
	{"coax_proxy_validated_total", "2.03s of origins that made a stored response fresh again",
	 COAXD_COUNTER, {0}, PROXY_FIELD(validated)},
	{"coax_proxy_failed_total", "Requests that no origin answered", COAXD_COUNTER, {0},
	 PROXY_FIELD(failed)},
	{"coax_proxy_failovers_total", "Requests that went to another origin", COAXD_COUNTER, {0},
	 PROXY_FIELD(failovers)},
	{"coax_proxy_notified_total", "Notifications from origins", COAXD_COUNTER, {0},
	 PROXY_FIELD(notified)},
	{"coax_proxy_watches", "Observations at origins now", COAXD_GAUGE, {0}, PROXY_FIELD(watches)},
	{"coax_proxy_entries", "Responses stored now", COAXD_GAUGE, {0}, PROXY_FIELD(entries)},
	{"coax_proxy_bytes", "Memory that they take", COAXD_GAUGE, {0}, PROXY_FIELD(bytes)},
	{"coax_proxy_evicted_total", "Responses dropped to make room", COAXD_COUNTER, {0},
	 PROXY_FIELD(evicted)},
	{"coax_proxy_invalidated_total", "Responses dropped because of a request that changed something",
	 COAXD_COUNTER, {0}, PROXY_FIELD(invalidated)},
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* All there are, but for the sum of the malformed ones, and the histogram. */
_Static_assert(COUNT(counters) == sizeof(struct coax_context_stats) / sizeof(uint64_t) - 1 - 1 -
					  COAX_TURNAROUND_COUNT,
	       "each of the Context's counters is a figure");

_Static_assert(COUNT(proxy_counters) == sizeof(struct coax_proxy_stats) / sizeof(uint64_t),
	       "each of the proxy's counters is a figure");

struct kernel_counter {
	const char *reason;
	size_t offset;
};

static const struct kernel_counter kernel_counters[] = {
#define KERNEL_COUNTER(name, text) {#name, offsetof(struct coax_stats, name)},
	COAX_STATS(KERNEL_COUNTER)
#undef KERNEL_COUNTER
};

struct visitor {
	coaxd_figure_fn visit;
	void *arg;
};

static void show(const struct visitor *visitor, const struct counter *counter, const char *value,
		 const void *stats)
{
	struct coaxd_figure figure = {.name = counter->name,
				      .help = counter->help,
				      .type = counter->type,
				      .labels = {counter->label}};

	if (value)
		figure.labels[0].value = value;
	memcpy(&figure.value, (const char *)stats + counter->offset, sizeof(figure.value));
	visitor->visit(visitor->arg, &figure);
}

static void show_gauge(const struct visitor *visitor, const char *name, const char *help,
		       uint64_t value)
{
	const struct coaxd_figure figure = {
		.name = name, .help = help, .type = COAXD_GAUGE, .value = value};

	visitor->visit(visitor->arg, &figure);
}

static void show_version(const struct visitor *visitor)
{
	const struct coaxd_figure figure = {.name = "coax_build_info",
					    .help = "The version that runs",
					    .type = COAXD_GAUGE,
					    .labels = {{"version", COAX_VERSION_TEXT}},
					    .value = 1};

	visitor->visit(visitor->arg, &figure);
}

/* Those of one name come one behind the other. */
static void show_workers(const struct visitor *visitor, const struct coax_context *context)
{
	struct coax_context_stats stats;
	unsigned int worker = 0;
	char number[12];

	for (size_t i = 0; i < COUNT(worker_counters); i++)
		for (worker = 0; !coax_context_worker_stats_read(context, worker, &stats);
		     worker++) {
			snprintf(number, sizeof(number), "%u", worker);
			show(visitor, &worker_counters[i], number, &stats);
		}
	show_gauge(visitor, "coax_workers", "Threads that serve", worker);
}

/* The counter's name says it: each packet is counted once. */
static const char *kernel_result(const char *reason)
{
	if (strncmp(reason, "drop_", 5) == 0)
		return "dropped";
	return strncmp(reason, "pass_", 5) == 0 ? "passed" : "answered";
}

static void show_kernel(const struct visitor *visitor, const struct coax_context *context)
{
	struct coaxd_figure figure = {
		.name = "coax_kernel_packets_total",
		.help = "Packets that the kernel half saw, by what it did and why; since its maps "
			"were made",
		.type = COAXD_COUNTER,
	};
	struct coax_stats stats;

	show_gauge(visitor, "coax_kernel_answering", "Whether the kernel half answers now",
		   coax_context_kernel_answers(context));
	if (coax_context_kernel_stats_read(context, &stats))
		return;
	/* The first one is the sum of the others. */
	for (size_t i = 1; i < COUNT(kernel_counters); i++) {
		const struct kernel_counter *counter = &kernel_counters[i];

		figure.labels[0] = (struct coaxd_label){"result", kernel_result(counter->reason)};
		figure.labels[1] = (struct coaxd_label){"reason", counter->reason};
		memcpy(&figure.value, (const char *)&stats + counter->offset, sizeof(figure.value));
		visitor->visit(visitor->arg, &figure);
	}
}

static void show_turnaround(const struct visitor *visitor, const struct coax_context_stats *stats)
{
	static const uint32_t bounds[] = {
#define BOUND(us) us,
		COAX_TURNAROUNDS(BOUND)
#undef BOUND
	};
	struct coaxd_figure figure = {
		.name = "coax_turnaround_seconds",
		.part = "_bucket",
		.help = "How long userspace had datagrams until what is answered at once had left",
		.type = COAXD_HISTOGRAM,
	};
	char bound[16];

	for (size_t i = 0; i < COAX_TURNAROUND_COUNT; i++) {
		figure.value += stats->turnarounds[i];
		if (i < COUNT(bounds))
			snprintf(bound, sizeof(bound), "%g", bounds[i] / 1e6);
		else
			snprintf(bound, sizeof(bound), "+Inf");
		figure.labels[0] = (struct coaxd_label){"le", bound};
		visitor->visit(visitor->arg, &figure);
	}
	figure.labels[0] = (struct coaxd_label){0};
	figure.part = "_count";
	visitor->visit(visitor->arg, &figure);
	figure.part = "_sum";
	figure.value = stats->turnaround_ns;
	visitor->visit(visitor->arg, &figure);
}

static void show_proxy(const struct visitor *visitor, struct coax_proxy *proxy)
{
	struct coax_proxy_stats stats;

	coax_proxy_stats_read(proxy, &stats);
	for (size_t i = 0; i < COUNT(proxy_counters); i++)
		show(visitor, &proxy_counters[i], NULL, &stats);
}

static void visit_origin(const struct visitor *visitor, struct coaxd_figure figure,
			 const char *label, const char *value, uint64_t count)
{
	figure.labels[0] = (struct coaxd_label){label, value};
	figure.value = count;
	visitor->visit(visitor->arg, &figure);
}

static void show_origin_answers(const struct visitor *visitor,
				const struct coax_proxy_origin *origin)
{
	const struct coaxd_figure figure = {
		.name = "coax_origin_answers_total",
		.help = "Answers of an origin",
		.type = COAXD_COUNTER,
		.origin = origin->uri,
	};

	visit_origin(visitor, figure, "class", "2.xx", origin->answers[2]);
	visit_origin(visitor, figure, "class", "4.xx", origin->answers[4]);
	visit_origin(visitor, figure, "class", "5.xx", origin->answers[5]);
}

static void show_origin_requests(const struct visitor *visitor,
				 const struct coax_proxy_origin *origin)
{
	const struct coaxd_figure figure = {
		.name = "coax_origin_requests_total",
		.help = "Requests sent to an origin (*: to all targets of a forward-proxy)",
		.type = COAXD_COUNTER,
		.origin = origin->uri,
	};

	visit_origin(visitor, figure, NULL, NULL, origin->requests);
}

static void show_origin_failures(const struct visitor *visitor,
				 const struct coax_proxy_origin *origin)
{
	const struct coaxd_figure figure = {
		.name = "coax_origin_failures_total",
		.help = "Requests that an origin did not answer",
		.type = COAXD_COUNTER,
		.origin = origin->uri,
	};

	visit_origin(visitor, figure, NULL, NULL, origin->failures);
}

/* Targets that a client chose are up and down each for itself. */
static void show_origin_up(const struct visitor *visitor, const struct coax_proxy_origin *origin)
{
	const struct coaxd_figure figure = {
		.name = "coax_origin_up",
		.help = "Whether an origin is asked: it is left alone for a while when it has failed",
		.type = COAXD_GAUGE,
		.origin = origin->uri,
	};

	if (strcmp(origin->uri, COAX_PROXY_TARGETS) != 0)
		visit_origin(visitor, figure, NULL, NULL, !origin->is_down);
}

static void show_origin_times(const struct visitor *visitor, const struct coax_proxy_origin *origin)
{
	static const uint32_t bounds[] = {
#define BOUND(ms) ms,
		COAX_PROXY_TIMES(BOUND)
#undef BOUND
	};
	struct coaxd_figure figure = {
		.name = "coax_origin_answer_seconds",
		.part = "_bucket",
		.help = "How long an origin took to answer",
		.type = COAXD_HISTOGRAM,
		.origin = origin->uri,
	};
	uint64_t count = 0;
	char bound[16];

	for (size_t i = 0; i < COAX_PROXY_TIME_COUNT; i++) {
		count += origin->times[i];
		if (i < COUNT(bounds))
			snprintf(bound, sizeof(bound), "%g", bounds[i] / 1e3);
		else
			snprintf(bound, sizeof(bound), "+Inf");
		visit_origin(visitor, figure, "le", bound, count);
	}
	figure.part = "_count";
	visit_origin(visitor, figure, NULL, NULL, count);
	figure.part = "_sum";
	visit_origin(visitor, figure, NULL, NULL, origin->answered_ns);
}

static void show_origins(const struct visitor *visitor, struct coax_proxy *proxy)
{
	static void (*const shows[])(const struct visitor *visitor,
				     const struct coax_proxy_origin *origin) = {
		show_origin_requests, show_origin_answers, show_origin_failures,
		show_origin_up,	      show_origin_times,
	};
	struct coax_proxy_origin *origins;
	size_t count;

	if (coax_proxy_origins_read(proxy, &origins, &count))
		return;
	for (size_t i = 0; i < COUNT(shows); i++)
		for (size_t k = 0; k < count; k++)
			shows[i](visitor, &origins[k]);
	coax_proxy_origins_free(origins, count);
}

void coaxd_figures_visit(const struct coaxd_counting *of, coaxd_figure_fn visit, void *arg)
{
	const struct visitor visitor = {visit, arg};
	struct coax_context_stats stats;
	struct coax_proxy *proxy;

	show_version(&visitor);
	show_kernel(&visitor, of->context);
	coax_context_stats_read(of->context, &stats);
	for (size_t i = 0; i < COUNT(counters); i++)
		show(&visitor, &counters[i], NULL, &stats);
	show_turnaround(&visitor, &stats);
	show_workers(&visitor, of->context);
	proxy = __atomic_load_n(of->proxy, __ATOMIC_ACQUIRE);
	if (proxy) {
		show_proxy(&visitor, proxy);
		show_origins(&visitor, proxy);
	}
}

/* Of a JSON object's members: a figure's name, an origin, a label. */
#define DEPTH_MAX 3

/* Where a writer is. */
struct writing {
	FILE *to;
	const char *name;	     /* of the figure before */
	const char *keys[DEPTH_MAX]; /* to the object that is open */
	size_t depth;
};

static bool begins(struct writing *writing, const struct coaxd_figure *figure)
{
	bool begins = !writing->name || strcmp(writing->name, figure->name) != 0;

	writing->name = figure->name;
	return begins;
}

/* As both formats have it; what an operator has written is a URI, of characters that are seen. */
static void write_quoted(FILE *to, const char *text)
{
	fputc('"', to);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', to);
		fputc((unsigned char)*text < ' ' ? '?' : *text, to);
	}
	fputc('"', to);
}

static void write_value(FILE *to, const struct coaxd_figure *figure)
{
	if (figure->part && strcmp(figure->part, "_sum") == 0)
		fprintf(to, "%" PRIu64 ".%09" PRIu64, figure->value / 1000000000,
			figure->value % 1000000000);
	else
		fprintf(to, "%" PRIu64, figure->value);
}

static void write_prometheus(void *arg, const struct coaxd_figure *figure)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	struct writing *writing = arg;
	FILE *to = writing->to;
	char before = '{';

	if (begins(writing, figure))
		fprintf(to, "# HELP %s %s.\n# TYPE %s %s\n", figure->name, figure->help,
			figure->name, types[figure->type]);
	fprintf(to, "%s%s", figure->name, figure->part ? figure->part : "");
	if (figure->origin) {
		fputs("{origin=", to);
		write_quoted(to, figure->origin);
		before = ',';
	}
	for (size_t i = 0; i < COAXD_LABELS_MAX && figure->labels[i].name; i++) {
		fprintf(to, "%c%s=\"%s\"", before, figure->labels[i].name, figure->labels[i].value);
		before = ',';
	}
	fputs(before == ',' ? "} " : " ", to);
	write_value(to, figure);
	fputc('\n', to);
}

void coaxd_figures_prometheus(const struct coaxd_counting *of, FILE *to)
{
	struct writing writing = {.to = to};

	coaxd_figures_visit(of, write_prometheus, &writing);
}

/* The objects that `keys` lead to are open then, and no others. */
static void open_objects(struct writing *writing, const char *const *keys, size_t depth)
{
	FILE *to = writing->to;
	size_t same = 0;

	while (same < depth && same < writing->depth &&
	       strcmp(keys[same], writing->keys[same]) == 0)
		same++;
	for (size_t i = same; i < writing->depth; i++)
		fputc('}', to);
	fputc(writing->name ? ',' : '{', to);
	for (size_t i = same; i < depth; i++) {
		write_quoted(to, keys[i]);
		fputs(":{", to);
		writing->keys[i] = keys[i];
	}
	writing->depth = depth;
}

static void write_json(void *arg, const struct coaxd_figure *figure)
{
	const char *last = figure->part ? figure->part + 1 : NULL;
	const char *keys[DEPTH_MAX] = {figure->name};
	struct writing *writing = arg;
	size_t depth = 1;

	for (size_t i = 0; i < COAXD_LABELS_MAX && figure->labels[i].name; i++)
		last = figure->labels[i].value;
	if (figure->origin)
		keys[depth++] = figure->origin;
	if (last)
		keys[depth++] = last;
	open_objects(writing, keys, depth - 1);
	writing->name = figure->name;
	write_quoted(writing->to, keys[depth - 1]);
	fputc(':', writing->to);
	write_value(writing->to, figure);
}

void coaxd_figures_json(const struct coaxd_counting *of, FILE *to)
{
	struct writing writing = {.to = to};

	coaxd_figures_visit(of, write_json, &writing);
	for (size_t i = 0; i < writing.depth; i++)
		fputc('}', to);
	fputc('}', to);
}

int coaxd_figures_text(const struct coaxd_counting *of,
		       void (*write)(const struct coaxd_counting *of, FILE *to), char **text,
		       size_t *length)
{
	FILE *to = open_memstream(text, length);
	bool failed;

	if (!to)
		return -ENOMEM;
	write(of, to);
	failed = ferror(to);
	if (!fclose(to) && !failed)
		return 0;
	free(*text);
	return -ENOMEM;
}
