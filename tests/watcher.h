/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who observes through a proxy.
 */
#ifndef COAX_TESTS_WATCHER_H
#define COAX_TESTS_WATCHER_H

#include "proxy.h"

/* Somebody who observes through the proxy. */
struct watcher {
	struct coax_observation *observation;
	atomic_int notifications;
	atomic_int version;
	atomic_int max_age;
	atomic_int error;
	atomic_int code; /* of the response that ended it */
};

static inline void notified(void *arg, const struct coax_message *m)
{
	struct watcher *watcher = arg;
	uint32_t max_age = 60;
	const uint8_t *payload;
	char text[16];
	size_t length;

	payload = coax_message_payload(m, &length);
	snprintf(text, sizeof(text), "%.*s", (int)length, payload ? (const char *)payload : "");
	coax_message_find_uint(m, COAX_MAX_AGE, &max_age);
	atomic_store(&watcher->max_age, (int)max_age);
	atomic_store(&watcher->version, length ? atoi(text + 1) : 0);
	atomic_fetch_add(&watcher->notifications, 1);
}

static inline void ended(void *arg, int error, const struct coax_message *response)
{
	struct watcher *watcher = arg;

	if (response)
		atomic_store(&watcher->code, coax_message_code(response));
	atomic_store(&watcher->error, error);
}

static inline void watch_by(struct watcher *watcher, struct coax_context *context, const char *path)
{
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, path);

	memset(watcher, 0, sizeof(*watcher));
	ASSERT_EQ(coax_observe(context, &between.address, &m, NULL, &watcher->observation), 0);
	coax_observation_on_notification(watcher->observation, notified, watcher);
	coax_observation_on_error(watcher->observation, ended, watcher);
}

static inline void watch(struct watcher *watcher, const char *path)
{
	watch_by(watcher, between.client, path);
}

#endif
