// SPDX-License-Identifier: BSD-2-Clause
/* coax top: what is shown. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <coax/uri.h>
#include "entries.h"
#include "mapped.h"
#include "output.h"
#include "top.h"

/* Something that is dropped, or answered with less than was asked for. */
struct drop {
	const char *name;
	const char *text;
	double rate;
	uint64_t total;
};

#define DROPS_MAX 64

struct drops {
	struct drop at[DROPS_MAX];
	size_t count;
};

/* The daemon's figure, that of a label if there is one. Returns whether there is such. */
static bool figure(const json_t *figures, const char *name, const char *label, uint64_t *value)
{
	const json_t *found = json_object_get(figures, name);

	if (label)
		found = json_object_get(found, label);
	if (!json_is_integer(found))
		return false;
	*value = (uint64_t)json_integer_value(found);
	return true;
}

/* A second. A counter that has become less began anew. */
static double rate(const struct top_interval *interval, uint64_t before, uint64_t now)
{
	double seconds = (double)(interval->now.at - interval->before.at) / 1e9;

	return (double)(now < before ? now : now - before) / seconds;
}

/* Negative: not known, as the daemon did not answer both times. */
static double figure_rate(const struct top_interval *interval, const char *name, const char *label)
{
	uint64_t before, now;

	if (!figure(interval->before.figures, name, label, &before) ||
	    !figure(interval->now.figures, name, label, &now))
		return -1;
	return rate(interval, before, now);
}

static double kernel_rate(const struct top_interval *interval)
{
	const struct coax_stats *before = &interval->before.kernel, *now = &interval->now.kernel;

	return rate(interval, before->reply + before->repeat, now->reply + now->repeat);
}

static double userspace_rate(const struct top_interval *interval)
{
	return figure_rate(interval, "coax_requests_total", NULL);
}

static void add_drop(struct drops *drops, const char *name, const char *text, double rate,
		     uint64_t total)
{
	size_t at = drops->count;

	if (!total || drops->count == DROPS_MAX)
		return;
	while (at && (drops->at[at - 1].rate < rate ||
		      (drops->at[at - 1].rate <= rate && drops->at[at - 1].total < total)))
		at--;
	memmove(&drops->at[at + 1], &drops->at[at], (drops->count - at) * sizeof(drops->at[0]));
	drops->at[at] = (struct drop){name, text, rate, total};
	drops->count++;
}

static void add_figure(struct drops *drops, const struct top_interval *interval, const char *name,
		       const char *label, const char *text)
{
	uint64_t total;

	if (figure(interval->now.figures, name, label, &total))
		add_drop(drops, label ? label : name, text, figure_rate(interval, name, label),
			 total);
}

static bool is_drop(const char *reason)
{
	return strncmp(reason, "drop_", 5) == 0;
}

static void find_drops(const struct top_interval *interval, struct drops *drops)
{
	static const struct {
		const char *name, *label, *text;
	} figures[] = {
		{"coax_malformed_total", "short", "userspace: shorter than a header"},
		{"coax_malformed_total", "token", "userspace: a reserved or cut token"},
		{"coax_malformed_total", "empty", "userspace: Empty, with more behind it"},
		{"coax_malformed_total", "options", "userspace: options cut short or reserved"},
		{"coax_malformed_total", "marker", "userspace: a payload marker without payload"},
		{"coax_guarded_total", "denied", "userspace: from a prefix that is denied"},
		{"coax_guarded_total", "limited", "userspace: 4.29, too many of a prefix"},
		{"coax_guarded_total", "challenged", "userspace: 4.01, not verified"},
		{"coax_ignored_total", NULL, "userspace: unmatched, other versions and codes"},
		{"coax_refused_total", NULL, "userspace: a limit was reached"},
		{"coax_records_dropped_total", NULL, "userspace: a DTLS record of no session"},
		{"coax_datagrams_unsent_total", NULL, "userspace: the network took no more"},
	};

	drops->count = 0;
#define KERNEL_DROP(name, text)                                                                   \
	if (is_drop(#name))                                                                       \
		add_drop(drops, #name, text,                                                      \
			 rate(interval, interval->before.kernel.name, interval->now.kernel.name), \
			 interval->now.kernel.name);
	COAX_STATS(KERNEL_DROP)
#undef KERNEL_DROP
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		add_figure(drops, interval, figures[i].name, figures[i].label, figures[i].text);
}

/*
 * What comes at random at a rate r is missed by a look t after another with probability e^-rt. Used
 * at each look: the rate is at least what would be missed once in as many.
 */
static double estimate(const struct top_interval *interval, const struct top_resource *resource,
		       bool *at_least)
{
	double looks = interval->uses.looks, missed = looks - resource->seen;

	*at_least = resource->seen >= interval->uses.looks;
	return -log((*at_least ? 1 : missed) / (looks + *at_least)) / interval->look_s;
}

/* "GET /a/b?c", or an empty text: the slot has become another's. */
static void name_resource(const struct top_interval *interval, uint32_t number, char *text,
			  size_t size)
{
	const struct coax_slot *slots = interval->uses.slots.at;
	uint8_t buffer[COAX_HEADER_SIZE + COAX_KEY_MAX];
	struct coax_message request;
	char code[8];
	struct coax_slot slot;
	int length;

	*text = '\0';
	if (!map_copy(&slots[number], &slot, sizeof(slot)) ||
	    !slot_request(&slot, &request, buffer))
		return;
	length = snprintf(text, size, "%s ", coax_code_name(slot.key_code, code));
	if (length < 0 || (size_t)length >= size ||
	    coax_uri_compose_path(&request, text + length, size - (size_t)length) < 0)
		*text = '\0';
}

#define RESOURCE_MAX 300

static void print_rate(FILE *to, double rate)
{
	if (rate < 0)
		fputs("?", to);
	else
		fprintf(to, "%.1f", rate);
}

static void print_requests(const struct top_interval *interval, FILE *to)
{
	double kernel = kernel_rate(interval), userspace = userspace_rate(interval);
	double all = kernel + userspace;

	fputs("requests/s  ", to);
	print_rate(to, userspace < 0 ? -1 : all);
	fputs(", of which in the kernel ", to);
	print_rate(to, kernel);
	if (userspace >= 0 && all > 0)
		fprintf(to, " (%.1f %%)", 100 * kernel / all);
	fputs(", in userspace ", to);
	print_rate(to, userspace);
	fputc('\n', to);
}

static void print_gauge(const struct top_interval *interval, FILE *to, const char *name)
{
	uint64_t value;

	if (figure(interval->now.figures, name, NULL, &value))
		fprintf(to, "%" PRIu64, value);
	else
		fputc('?', to);
}

static void print_state(const struct top_interval *interval, FILE *to)
{
	fprintf(to, "instance    %s, the kernel %s, coaxd %s\n", interval->instance->name,
		interval->now.answering ? "answers" : "does not answer",
		interval->now.figures ? "does" : "does not");
	print_requests(interval, to);
	fprintf(to, "kernel      %" PRIu32 " of %" PRIu32 " replies, published/s ",
		interval->uses.entries, interval->uses.slots.count);
	print_rate(to, figure_rate(interval, "coax_published_total", NULL));
	fputs("\nsessions    ", to);
	print_gauge(interval, to, "coax_sessions");
	fputs(", handshakes/s ", to);
	print_rate(to, figure_rate(interval, "coax_handshakes_total", "established"));
	fputs(", observers ", to);
	print_gauge(interval, to, "coax_observers");
	fputs(", notifications/s ", to);
	print_rate(to, figure_rate(interval, "coax_notifications_total", NULL));
	fputc('\n', to);
}

/*
 * Within what time half, and 99 of 100 datagrams since were answered: the bound of the histogram
 * that so many are below. Returns NULL when there were none, or nothing is known.
 */
static const char *quantile(const struct top_interval *interval, double part)
{
	const char *name = "coax_turnaround_seconds", *bound;
	json_t *buckets = json_object_get(interval->now.figures, name), *value;
	double all = figure_rate(interval, name, "count");

	if (all <= 0)
		return NULL;
	json_object_foreach(buckets, bound, value) if (figure_rate(interval, name, bound) >=
						       part * all) return bound;
	return NULL;
}

static void print_bound(FILE *to, const char *bound)
{
	double seconds = bound ? strtod(bound, NULL) : NAN;

	if (isnan(seconds))
		fputc('?', to);
	else if (isinf(seconds))
		fputs("more than 1 s", to);
	else
		fprintf(to, "%g ms", seconds * 1000);
}

static void print_latency(const struct top_interval *interval, FILE *to)
{
	fputs("latency     in userspace half within ", to);
	print_bound(to, quantile(interval, 0.5));
	fputs(", 99 % within ", to);
	print_bound(to, quantile(interval, 0.99));
	fputc('\n', to);
}

static void print_proxy(const struct top_interval *interval, FILE *to)
{
	static const char name[] = "coax_proxy_requests_total";
	double hits = figure_rate(interval, name, "hit");
	double misses = figure_rate(interval, name, "miss");

	if (hits < 0 || misses < 0)
		return;
	fprintf(to, "proxy       hits/s %.1f", hits);
	if (hits + misses > 0)
		fprintf(to, " (%.1f %%)", 100 * hits / (hits + misses));
	fprintf(to, ", misses/s %.1f, to origins/s ", misses);
	print_rate(to, figure_rate(interval, "coax_proxy_forwarded_total", NULL));
	fputs(", failed/s ", to);
	print_rate(to, figure_rate(interval, "coax_proxy_failed_total", NULL));
	fputs(", stored ", to);
	print_gauge(interval, to, "coax_proxy_entries");
	fputc('\n', to);
}

static json_t *rate_json(double rate)
{
	return rate < 0 ? json_null() : json_real(rate);
}

/*
 * Origins: what is known of one is known of all.
 */

struct origin {
	const char *uri;
	double requests;  /* a second; negative: not known, and so below */
	double failures;  /* the same */
	double answer_ms; /* the mean, of what was answered between */
	bool is_down;
};

/* A figure of an origin, or of a label of it. */
static double origin_rate(const struct top_interval *interval, const char *name, const char *uri,
			  const char *label)
{
	const char *outer = label ? uri : NULL, *inner = label ? label : uri;
	uint64_t before, now;
	json_t *then = json_object_get(interval->before.figures, name);
	json_t *since = json_object_get(interval->now.figures, name);

	if (outer) {
		then = json_object_get(then, outer);
		since = json_object_get(since, outer);
	}
	if (!json_is_integer(json_object_get(since, inner)))
		return -1;
	now = (uint64_t)json_integer_value(json_object_get(since, inner));
	/* One that is new has counted nothing before. */
	before = (uint64_t)json_integer_value(json_object_get(then, inner));
	return rate(interval, before, now);
}

static double seconds_of(const json_t *figures, const char *uri)
{
	const json_t *times = json_object_get(figures, "coax_origin_answer_seconds");

	return json_number_value(json_object_get(json_object_get(times, uri), "sum"));
}

static double mean_answer_ms(const struct top_interval *interval, const char *uri)
{
	double answers = origin_rate(interval, "coax_origin_answer_seconds", uri, "count");
	double before = seconds_of(interval->before.figures, uri);
	double now = seconds_of(interval->now.figures, uri);
	double elapsed = (double)(interval->now.at - interval->before.at) / 1e9;

	if (answers <= 0)
		return -1;
	return (now < before ? now : now - before) * 1000 / (answers * elapsed);
}

static struct origin read_origin(const struct top_interval *interval, const char *uri)
{
	const json_t *up = json_object_get(interval->now.figures, "coax_origin_up");
	const json_t *is_up = json_object_get(up, uri);

	return (struct origin){
		.uri = uri,
		.requests = origin_rate(interval, "coax_origin_requests_total", uri, NULL),
		.failures = origin_rate(interval, "coax_origin_failures_total", uri, NULL),
		.answer_ms = mean_answer_ms(interval, uri),
		.is_down = json_is_integer(is_up) && !json_integer_value(is_up),
	};
}

/* Those that are down, then those that are asked most. */
static bool comes_before(const struct origin *a, const struct origin *b)
{
	return a->is_down != b->is_down ? a->is_down : a->requests > b->requests;
}

/* Returns how many there are. */
static size_t find_origins(const struct top_interval *interval, struct origin top[TOP_ROWS_MAX])
{
	json_t *all = json_object_get(interval->now.figures, "coax_origin_requests_total"), *value;
	const char *uri;
	size_t count = 0;

	json_object_foreach(all, uri, value)
	{
		struct origin origin = read_origin(interval, uri);
		size_t at = count;

		while (at && comes_before(&origin, &top[at - 1]))
			at--;
		if (at == TOP_ROWS_MAX)
			continue;
		if (count < TOP_ROWS_MAX)
			count++;
		memmove(&top[at + 1], &top[at], (count - at - 1) * sizeof(top[0]));
		top[at] = origin;
	}
	return count;
}

static void print_origins(const struct top_interval *interval, FILE *to)
{
	struct origin origins[TOP_ROWS_MAX];
	size_t count = find_origins(interval, origins);

	if (!count)
		return;
	fprintf(to, "\n%10s %10s %10s  %-5s ORIGIN\n", "ASKED/S", "FAILED/S", "MEAN MS", "STATE");
	for (size_t i = 0; i < count; i++) {
		const struct origin *origin = &origins[i];

		fprintf(to, "%10.1f %10.1f ", origin->requests, origin->failures);
		if (origin->answer_ms < 0)
			fprintf(to, "%10s", "-");
		else
			fprintf(to, "%10.2f", origin->answer_ms);
		fprintf(to, "  %-5s ", origin->is_down ? "down" : "up");
		output_safe(to, origin->uri, strlen(origin->uri));
		fputc('\n', to);
	}
}

static json_t *origins_json(const struct top_interval *interval)
{
	struct origin origins[TOP_ROWS_MAX];
	size_t count = find_origins(interval, origins);
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *object = json_object();

		json_object_set_new(object, "origin", json_string(origins[i].uri));
		json_object_set_new(object, "requests", rate_json(origins[i].requests));
		json_object_set_new(object, "failures", rate_json(origins[i].failures));
		json_object_set_new(object, "answer_ms", rate_json(origins[i].answer_ms));
		json_object_set_new(object, "down", json_boolean(origins[i].is_down));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *quantile_json(const struct top_interval *interval, double part)
{
	const char *bound = quantile(interval, part);
	double seconds = bound ? strtod(bound, NULL) : NAN;

	return isfinite(seconds) ? json_real(seconds * 1000) : json_null();
}

static void print_workers(const struct top_interval *interval, FILE *to)
{
	const char *name = "coax_worker_requests_total", *worker;
	json_t *workers = json_object_get(interval->now.figures, name), *value;

	fputs("workers     requests/s", to);
	json_object_foreach(workers, worker, value)
	{
		fputc(' ', to);
		print_rate(to, figure_rate(interval, name, worker));
	}
	fputs(json_object_size(workers) ? "\n" : " ?\n", to);
}

static void print_drops(const struct top_interval *interval, FILE *to)
{
	struct drops drops;

	find_drops(interval, &drops);
	fprintf(to, "\n%10s %12s  WHY\n", "DROPPED/S", "TOTAL");
	for (size_t i = 0; i < drops.count && i < TOP_ROWS_MAX; i++) {
		const struct drop *drop = &drops.at[i];
		const char *text = drop->text;

		if (strncmp(text, "dropped: ", 9) == 0)
			text += 9;
		if (drop->rate < 0)
			fprintf(to, "%10s", "?");
		else
			fprintf(to, "%10.1f", drop->rate);
		fprintf(to, " %12" PRIu64 "  %s: %s\n", drop->total, drop->name, text);
	}
}

static void print_resources(const struct top_interval *interval, FILE *to)
{
	char text[RESOURCE_MAX];
	bool at_least;

	fprintf(to, "\n%10s  SENT BY THE KERNEL (estimated by %" PRIu32 " looks)\n", "ABOUT/S",
		interval->uses.looks);
	for (size_t i = 0; i < interval->resource_count; i++) {
		double rate = estimate(interval, &interval->resources[i], &at_least);

		name_resource(interval, interval->resources[i].slot, text, sizeof(text));
		fprintf(to, "%c%9.1f  ", at_least ? '>' : ' ', rate);
		output_safe(to, text, strlen(text));
		fputc('\n', to);
	}
}

static void print_sources(const struct top_interval *interval, FILE *to)
{
	char text[INET6_ADDRSTRLEN];

	fprintf(to, "\n%10s  SOURCE (of what is not run twice, remembered for up to 247 s)\n",
		"REQUESTS");
	for (size_t i = 0; i < interval->source_count; i++)
		fprintf(to, "%10" PRIu32 "  %s\n", interval->sources[i].count,
			coax_mapped_text(interval->sources[i].address, text));
}

void top_show(const struct top_interval *interval, FILE *to)
{
	print_state(interval, to);
	print_latency(interval, to);
	print_proxy(interval, to);
	print_workers(interval, to);
	print_origins(interval, to);
	print_drops(interval, to);
	print_resources(interval, to);
	print_sources(interval, to);
}

static json_t *gauge_json(const struct top_interval *interval, const char *name)
{
	uint64_t value;

	return figure(interval->now.figures, name, NULL, &value) ? json_integer((json_int_t)value)
								 : json_null();
}

static json_t *drops_json(const struct top_interval *interval)
{
	json_t *object = json_object();
	struct drops drops;

	find_drops(interval, &drops);
	for (size_t i = 0; i < drops.count; i++)
		json_object_set_new(object, drops.at[i].name, rate_json(drops.at[i].rate));
	return object;
}

static json_t *resources_json(const struct top_interval *interval)
{
	json_t *array = json_array();
	char text[RESOURCE_MAX];
	bool at_least;

	for (size_t i = 0; i < interval->resource_count; i++) {
		double rate = estimate(interval, &interval->resources[i], &at_least);
		json_t *object = json_object();

		name_resource(interval, interval->resources[i].slot, text, sizeof(text));
		json_object_set_new(object, "request", output_json_text(text, strlen(text)));
		json_object_set_new(object, "rate", rate_json(rate));
		json_object_set_new(object, "at_least", json_boolean(at_least));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *sources_json(const struct top_interval *interval)
{
	char text[INET6_ADDRSTRLEN];
	json_t *array = json_array();

	for (size_t i = 0; i < interval->source_count; i++) {
		json_t *object = json_object();

		json_object_set_new(
			object, "address",
			json_string(coax_mapped_text(interval->sources[i].address, text)));
		json_object_set_new(object, "requests", json_integer(interval->sources[i].count));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *workers_json(const struct top_interval *interval)
{
	const char *name = "coax_worker_requests_total", *worker;
	json_t *workers = json_object_get(interval->now.figures, name), *value;
	json_t *array = json_array();

	json_object_foreach(workers, worker, value)
		json_array_append_new(array, rate_json(figure_rate(interval, name, worker)));
	return array;
}

json_t *top_json(const struct top_interval *interval)
{
	json_t *object = json_object();

	json_object_set_new(object, "answering", json_boolean(interval->now.answering));
	json_object_set_new(object, "kernel_requests", rate_json(kernel_rate(interval)));
	json_object_set_new(object, "userspace_requests", rate_json(userspace_rate(interval)));
	json_object_set_new(object, "proxy_hits",
			    rate_json(figure_rate(interval, "coax_proxy_requests_total", "hit")));
	json_object_set_new(object, "proxy_misses",
			    rate_json(figure_rate(interval, "coax_proxy_requests_total", "miss")));
	json_object_set_new(object, "half_within_ms", quantile_json(interval, 0.5));
	json_object_set_new(object, "99_percent_within_ms", quantile_json(interval, 0.99));
	json_object_set_new(object, "entries", json_integer(interval->uses.entries));
	json_object_set_new(object, "sessions", gauge_json(interval, "coax_sessions"));
	json_object_set_new(object, "observers", gauge_json(interval, "coax_observers"));
	json_object_set_new(object, "workers", workers_json(interval));
	json_object_set_new(object, "origins", origins_json(interval));
	json_object_set_new(object, "dropped", drops_json(interval));
	json_object_set_new(object, "resources", resources_json(interval));
	json_object_set_new(object, "sources", sources_json(interval));
	return object;
}
