/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The resource tree that the ETSI CoAP plugtests ask of a server.
 *
 * Handlers run on one worker, so what they keep needs no lock; what the timers
 * of the test touch has one.
 */
#ifndef COAX_TESTS_PLUGTEST_H
#define COAX_TESTS_PLUGTEST_H

#include "harness.h"
#include <coax/coax.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define PLUGTEST_BODY_MAX 8192
#define PLUGTEST_LINES	  20

/* A stored representation. */
struct plugtest_state {
	bool exists;
	uint16_t format;
	uint32_t version;
	size_t length;
	uint8_t bytes[PLUGTEST_BODY_MAX];
};

struct plugtest_waiting {
	struct coax_responder *responder;
	struct plugtest_waiting *next;
};

static struct plugtest {
	struct coax_site *site;
	atomic_int runs; /* of handlers that change something */
	struct plugtest_state test, validate, create1, update, created, obs;
	char large[PLUGTEST_LINES * 64 + 1];
	struct coax_resource *obs_resource, *obs_non, *obs_large, *obs_pumping;
	atomic_uint tick;

	pthread_mutex_t lock; /* of those who wait for their separate response */
	struct plugtest_waiting *waiting;
	atomic_int waiting_count;
} plugtest;

static inline void plugtest_text(struct coax_responder *responder, uint8_t code, const char *text)
{
	struct coax_message *response = coax_responder_response(responder);

	coax_message_add_uint(response, COAX_CONTENT_FORMAT, COAX_FORMAT_TEXT_PLAIN);
	coax_responder_set_payload(responder, text, strlen(text));
	coax_respond(responder, code);
}

static inline void plugtest_store(struct plugtest_state *state,
				  const struct coax_responder *responder)
{
	const struct coax_message *request = coax_responder_request(responder);
	size_t length;
	const uint8_t *payload = coax_message_payload(request, &length);
	uint32_t format = COAX_FORMAT_TEXT_PLAIN;

	coax_message_find_uint(request, COAX_CONTENT_FORMAT, &format);
	state->exists = true;
	state->version++;
	state->format = (uint16_t)format;
	state->length = length < sizeof(state->bytes) ? length : sizeof(state->bytes);
	if (length)
		memcpy(state->bytes, payload, state->length);
}

static inline void plugtest_show(struct coax_responder *responder,
				 const struct plugtest_state *state)
{
	struct coax_message *response = coax_responder_response(responder);

	if (!state->exists) {
		coax_respond_error(responder, COAX_NOT_FOUND, "nothing there");
		return;
	}
	coax_message_add(response, COAX_ETAG, &state->version, sizeof(state->version));
	coax_message_add_uint(response, COAX_CONTENT_FORMAT, state->format);
	coax_responder_set_payload(responder, state->bytes, state->length);
	coax_respond(responder, COAX_CONTENT);
}

/* /test */

static inline void plugtest_test_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_message_add_uint(coax_responder_response(responder), COAX_MAX_AGE, 30);
	plugtest_text(responder, COAX_CONTENT, "welcome to the plugtest");
}

static inline void plugtest_test_post(struct coax_responder *responder, void *arg)
{
	static const char *const location[] = {"location1", "location2", "location3"};

	(void)arg;
	atomic_fetch_add(&plugtest.runs, 1);
	for (int i = 0; i < 3; i++)
		coax_message_add_string(coax_responder_response(responder), COAX_LOCATION_PATH,
					location[i]);
	coax_respond(responder, COAX_CREATED);
}

static inline void plugtest_test_put(struct coax_responder *responder, void *arg)
{
	(void)arg;
	if (!coax_responder_preconditions(responder, true, NULL, 0)) {
		coax_respond(responder, COAX_PRECONDITION_FAILED);
		return;
	}
	atomic_fetch_add(&plugtest.runs, 1);
	plugtest_store(&plugtest.test, responder);
	coax_respond(responder, COAX_CHANGED);
}

static inline void plugtest_test_delete(struct coax_responder *responder, void *arg)
{
	(void)arg;
	atomic_fetch_add(&plugtest.runs, 1);
	coax_respond(responder, COAX_DELETED);
}

/* Stored ones: `arg` is the state. */

static inline void plugtest_state_get(struct coax_responder *responder, void *arg)
{
	plugtest_show(responder, arg);
}

static inline void plugtest_state_put(struct coax_responder *responder, void *arg)
{
	struct plugtest_state *state = arg;
	bool existed = state->exists;

	if (!coax_responder_preconditions(responder, state->exists, (uint8_t *)&state->version,
					  sizeof(state->version))) {
		coax_respond(responder, COAX_PRECONDITION_FAILED);
		return;
	}
	atomic_fetch_add(&plugtest.runs, 1);
	plugtest_store(state, responder);
	coax_respond(responder, existed ? COAX_CHANGED : COAX_CREATED);
}

static inline void plugtest_state_delete(struct coax_responder *responder, void *arg)
{
	struct plugtest_state *state = arg;

	atomic_fetch_add(&plugtest.runs, 1);
	state->exists = false;
	coax_respond(responder, COAX_DELETED);
}

/* /large-create: POST makes /large-create/1. */

static inline void plugtest_create_post(struct coax_responder *responder, void *arg)
{
	(void)arg;
	atomic_fetch_add(&plugtest.runs, 1);
	plugtest_store(&plugtest.created, responder);
	coax_message_add_string(coax_responder_response(responder), COAX_LOCATION_PATH,
				"large-create");
	coax_message_add_string(coax_responder_response(responder), COAX_LOCATION_PATH, "1");
	coax_respond(responder, COAX_CREATED);
}

/* /large-post: what was sent, in upper case. */
static inline void plugtest_upper_post(struct coax_responder *responder, void *arg)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);
	uint8_t *upper = malloc(length + 1);

	(void)arg;
	atomic_fetch_add(&plugtest.runs, 1);
	for (size_t i = 0; i < length; i++)
		upper[i] = payload[i] >= 'a' && payload[i] <= 'z' ? payload[i] - 32 : payload[i];
	coax_responder_set_payload(responder, upper, length);
	free(upper);
	coax_respond(responder, COAX_CHANGED);
}

/* /separate: answered when the test says so. */

static inline void plugtest_separate(struct coax_responder *responder, void *arg)
{
	struct plugtest_waiting *waiting = malloc(sizeof(*waiting));

	(void)arg;
	atomic_fetch_add(&plugtest.runs, 1);
	waiting->responder = coax_responder_defer(responder);
	pthread_mutex_lock(&plugtest.lock);
	waiting->next = plugtest.waiting;
	plugtest.waiting = waiting;
	pthread_mutex_unlock(&plugtest.lock);
	atomic_fetch_add(&plugtest.waiting_count, 1);
}

static inline void plugtest_answer_separate(void)
{
	struct plugtest_waiting *waiting, *next;

	pthread_mutex_lock(&plugtest.lock);
	waiting = plugtest.waiting;
	plugtest.waiting = NULL;
	pthread_mutex_unlock(&plugtest.lock);
	for (; waiting; waiting = next) {
		next = waiting->next;
		atomic_fetch_sub(&plugtest.waiting_count, 1);
		plugtest_text(waiting->responder, COAX_CONTENT, "that took a while");
		free(waiting);
	}
}

/* Simple ones. */

static inline void plugtest_path_get(struct coax_responder *responder, void *arg)
{
	plugtest_text(responder, COAX_CONTENT, arg);
}

/* /path: a list of what is below. */
static inline void plugtest_list_get(struct coax_responder *responder, void *arg)
{
	const char *links = "</path/sub1>,</path/sub2>,</path/sub3>";

	(void)arg;
	coax_message_add_uint(coax_responder_response(responder), COAX_CONTENT_FORMAT,
			      COAX_FORMAT_LINK);
	coax_message_set_payload(coax_responder_response(responder), links, strlen(links));
	coax_respond(responder, COAX_CONTENT);
}

static inline void plugtest_query_get(struct coax_responder *responder, void *arg)
{
	struct coax_option_iterator it = coax_options_begin(coax_responder_request(responder));
	struct coax_option option;
	char text[512] = "";
	size_t at = 0;

	(void)arg;
	while (coax_options_next(&it, &option))
		if (option.number == COAX_URI_QUERY)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%.*s ",
					       (int)option.length, (const char *)option.value);
	plugtest_text(responder, COAX_CONTENT, text);
}

static inline void plugtest_location_query_post(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_message_add_string(coax_responder_response(responder), COAX_LOCATION_QUERY, "first=1");
	coax_message_add_string(coax_responder_response(responder), COAX_LOCATION_QUERY,
				"second=2");
	coax_respond(responder, COAX_CREATED);
}

static inline void plugtest_multi_get(struct coax_responder *responder, void *arg)
{
	uint32_t format = COAX_FORMAT_TEXT_PLAIN;
	const char *text;

	(void)arg;
	coax_message_find_uint(coax_responder_request(responder), COAX_ACCEPT, &format);
	coax_message_add_uint(coax_responder_response(responder), COAX_CONTENT_FORMAT, format);
	text = format == COAX_FORMAT_XML ? "<msg>hello</msg>" : "hello";
	coax_message_set_payload(coax_responder_response(responder), text, strlen(text));
	coax_respond(responder, COAX_CONTENT);
}

/* Observed ones. */

static inline void plugtest_obs_get(struct coax_responder *responder, void *arg)
{
	char text[32];

	(void)arg;
	coax_message_add_uint(coax_responder_response(responder), COAX_MAX_AGE, 5);
	if (plugtest.obs.exists) {
		plugtest_show(responder, &plugtest.obs);
		return;
	}
	snprintf(text, sizeof(text), "tick %u", atomic_load(&plugtest.tick));
	plugtest_text(responder, COAX_CONTENT, text);
}

/* TD_COAP_OBS_08, 09: another Content-Format ends the observations. */
static inline void plugtest_obs_put(struct coax_responder *responder, void *arg)
{
	uint8_t buffer[COAX_HEADER_SIZE];
	uint32_t format = COAX_FORMAT_TEXT_PLAIN;
	struct coax_message last;

	(void)arg;
	atomic_fetch_add(&plugtest.runs, 1);
	coax_message_find_uint(coax_responder_request(responder), COAX_CONTENT_FORMAT, &format);
	plugtest_store(&plugtest.obs, responder);
	coax_message_start(&last, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_NOT_ACCEPTABLE, 0,
			   NULL, 0);
	if (format != COAX_FORMAT_TEXT_PLAIN)
		coax_resource_notify(plugtest.obs_resource, &last, true);
	coax_resource_changed(plugtest.obs_resource);
	coax_respond(responder, COAX_CHANGED);
}

/* TD_COAP_OBS_07 */
static inline void plugtest_obs_delete(struct coax_responder *responder, void *arg)
{
	uint8_t buffer[COAX_HEADER_SIZE];
	struct coax_message last;

	(void)arg;
	atomic_fetch_add(&plugtest.runs, 1);
	plugtest.obs.exists = false;
	coax_message_start(&last, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_NOT_FOUND, 0, NULL,
			   0);
	coax_resource_notify(plugtest.obs_resource, &last, true);
	coax_respond(responder, COAX_DELETED);
}

static inline void plugtest_obs_large_get(struct coax_responder *responder, void *arg)
{
	char text[PLUGTEST_LINES * 64 + 1];

	(void)arg;
	memcpy(text, plugtest.large, sizeof(text));
	memcpy(text, "tick", 4);
	snprintf(text + 4, 12, "%11u", atomic_load(&plugtest.tick));
	text[15] = ' ';
	coax_message_add_uint(coax_responder_response(responder), COAX_MAX_AGE, 5);
	plugtest_text(responder, COAX_CONTENT, text);
}

/* Large at every other tick. */
static inline void plugtest_obs_pumping_get(struct coax_responder *responder, void *arg)
{
	char text[32];

	if (atomic_load(&plugtest.tick) % 2) {
		plugtest_obs_large_get(responder, arg);
		return;
	}
	snprintf(text, sizeof(text), "tick %u", atomic_load(&plugtest.tick));
	coax_message_add_uint(coax_responder_response(responder), COAX_MAX_AGE, 5);
	plugtest_text(responder, COAX_CONTENT, text);
}

/* The observed resources change. Any thread. */
static inline void plugtest_tick(void)
{
	atomic_fetch_add(&plugtest.tick, 1);
	coax_resource_changed(plugtest.obs_resource);
	coax_resource_changed(plugtest.obs_non);
	coax_resource_changed(plugtest.obs_large);
	coax_resource_changed(plugtest.obs_pumping);
}

static inline struct coax_resource *plugtest_add(const struct coax_resource_options *options)
{
	struct coax_resource *resource;

	ASSERT_EQ(coax_site_add(plugtest.site, options, &resource), 0);
	return resource;
}

static inline void plugtest_add_text(const char *path, const char *rt, const char *interface)
{
	struct coax_resource_options options = {
		.path = path,
		.get = plugtest_path_get,
		.arg = (void *)path,
	};
	size_t count = 0;

	if (rt)
		options.attributes[count++] = (struct coax_attribute){"rt", rt};
	if (interface)
		options.attributes[count++] = (struct coax_attribute){"if", interface};
	if (!rt)
		options.attributes[count] = (struct coax_attribute){"sz", "32"};
	plugtest_add(&options);
}

static inline void plugtest_add_stored(const char *path, struct plugtest_state *state)
{
	const struct coax_resource_options options = {
		.path = path,
		.get = plugtest_state_get,
		.put = plugtest_state_put,
		.delete = plugtest_state_delete,
		.arg = state,
		.conditional = true,
	};

	plugtest_add(&options);
}

static inline void plugtest_add_observed(void)
{
	plugtest.obs_resource =
		plugtest_add(&(struct coax_resource_options){.path = "obs",
							     .get = plugtest_obs_get,
							     .put = plugtest_obs_put,
							     .delete = plugtest_obs_delete,
							     .observable = true,
							     .notifications = COAX_RELIABLE});
	plugtest.obs_non =
		plugtest_add(&(struct coax_resource_options){.path = "obs-non",
							     .get = plugtest_obs_get,
							     .observable = true,
							     .notifications = COAX_UNRELIABLE});
	plugtest.obs_large = plugtest_add(&(struct coax_resource_options){
		.path = "obs-large", .get = plugtest_obs_large_get, .observable = true});
	plugtest.obs_pumping = plugtest_add(&(struct coax_resource_options){
		.path = "obs-pumping", .get = plugtest_obs_pumping_get, .observable = true});
}

static inline void plugtest_add_simple(void)
{
	plugtest_add(&(struct coax_resource_options){.path = "test",
						     .get = plugtest_test_get,
						     .post = plugtest_test_post,
						     .put = plugtest_test_put,
						     .delete = plugtest_test_delete,
						     .conditional = true});
	plugtest_add(&(struct coax_resource_options){.path = "separate", .get = plugtest_separate});
	plugtest_add(&(struct coax_resource_options){.path = "query", .get = plugtest_query_get});
	plugtest_add(&(struct coax_resource_options){.path = "location-query",
						     .post = plugtest_location_query_post});
	plugtest_add(&(struct coax_resource_options){
		.path = "multi-format",
		.get = plugtest_multi_get,
		.formats = {COAX_FORMAT_TEXT_PLAIN, COAX_FORMAT_XML},
		.format_count = 2});
	plugtest_add(&(struct coax_resource_options){
		.path = "large", .get = plugtest_path_get, .arg = plugtest.large});
	plugtest_add(&(struct coax_resource_options){.path = "large-create",
						     .post = plugtest_create_post});
	plugtest_add(
		&(struct coax_resource_options){.path = "large-post", .post = plugtest_upper_post});
}

static inline struct coax_site *plugtest_site(void)
{
	pthread_mutex_init(&plugtest.lock, NULL);
	for (int line = 0; line < PLUGTEST_LINES; line++)
		snprintf(plugtest.large + line * 64, 65, "%-63d\n", line);
	ASSERT_EQ(coax_site_create(&plugtest.site), 0);
	plugtest.validate = (struct plugtest_state){
		.exists = true, .version = 1, .length = 5, .bytes = "valid"};
	plugtest_add_simple();
	plugtest_add_stored("validate", &plugtest.validate);
	plugtest_add_stored("create1", &plugtest.create1);
	plugtest_add_stored("large-update", &plugtest.update);
	plugtest_add_stored("large-create/1", &plugtest.created);
	plugtest_add_text("seg1", NULL, NULL);
	plugtest_add_text("seg1/seg2", NULL, NULL);
	plugtest_add_text("seg1/seg2/seg3", NULL, NULL);
	plugtest_add_text("link1", "Type1 Type2", "If1");
	plugtest_add_text("link2", "Type2 Type3", "If2");
	plugtest_add_text("link3", "Type1 Type3", "foo");
	plugtest_add(&(struct coax_resource_options){.path = "path",
						     .get = plugtest_list_get,
						     .formats = {COAX_FORMAT_LINK},
						     .format_count = 1});
	plugtest_add_text("path/sub1", NULL, NULL);
	plugtest_add_text("path/sub2", NULL, NULL);
	plugtest_add_text("path/sub3", NULL, NULL);
	plugtest_add_observed();
	return plugtest.site;
}

#endif
