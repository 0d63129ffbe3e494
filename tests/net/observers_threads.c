// SPDX-License-Identifier: BSD-2-Clause
/*
 * Changes, triggers and pipes from several threads, while clients come and go; for TSan above all.
 */
#include "../observed.h"

#define CLIENTS 3
#define TOKENS	8
#define CHANGES 300

static atomic_bool over;

static void given(struct coax_message *m, uint8_t *buffer, size_t size)
{
	coax_message_start(m, buffer, size, COAX_TYPE_CON, COAX_CONTENT, 0, NULL, 0);
	coax_message_set_payload(m, "given", 5);
}

static void *change(void *arg)
{
	struct coax_message m;
	uint8_t buffer[64];

	(void)arg;
	given(&m, buffer, sizeof(buffer));
	for (int i = 0; i < CHANGES; i++) {
		observed_change();
		if (i % 8 == 0)
			coax_resource_notify(observed.resource, &m, false);
	}
	return NULL;
}

/* Acknowledge all there is, until a message has this text; that each token has got it. */
static void take_until(int fd, const char *text, int tokens)
{
	uint64_t seen = 0;
	struct told told;

	while (__builtin_popcountll(seen) < tokens) {
		ASSERT_TRUE(told_acknowledged(fd, &told));
		if (strcmp(told.text, text) == 0)
			seen |= 1ULL << told_token(&told);
	}
}

/* Register, take what comes, deregister; whether a response or a notification comes is chance. */
static void *come_and_go(void *arg)
{
	int fd = observed_open();
	uint16_t id = 0;

	(void)arg;
	while (!atomic_load(&over)) {
		for (uint8_t observe = 0; observe < 2; observe++) {
			id++;
			const uint8_t get[] = {0x41,	    1,	  (uint8_t)(id >> 8),
					       (uint8_t)id, 5,	  0x61,
					       observe,	    0x55, 's',
					       't',	    'a',  't',
					       'e'};
			struct told told;

			ASSERT_EQ(send(fd, get, sizeof(get), 0), (ssize_t)sizeof(get));
			do
				ASSERT_TRUE(told_acknowledged(fd, &told));
			while (told_type(&told) != COAX_TYPE_ACK || coax_message_id(&told.m) != id);
		}
	}
	close(fd);
	return NULL;
}

TEST_TIMEOUT("observers have the last state in the end, whoever changes it and how fast", 120)
{
	pthread_t changers[2], guest;
	int fds[CLIENTS];
	char text[32];

	observed_start(&observed_patient, 2, COAX_RELIABILITY_DEFAULT);
	for (int i = 0; i < CLIENTS; i++) {
		struct told told;

		fds[i] = observed_open();
		for (int token = 0; token < TOKENS; token++)
			ask_for(fds[i], (uint8_t)(token + 1), 0, &told);
	}
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(&changers[i], NULL, change, NULL), 0);
	ASSERT_EQ(pthread_create(&guest, NULL, come_and_go, NULL), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(changers[i], NULL);
	atomic_store(&over, true);
	pthread_join(guest, NULL);

	observed_change();
	snprintf(text, sizeof(text), "value %d", 2 * CHANGES + 1);
	for (int i = 0; i < CLIENTS; i++)
		take_until(fds[i], text, TOKENS);
	EXPECT_EQ(COUNTED(observers), CLIENTS * TOKENS);
	observed_end();
}

static struct coax_observer *_Atomic accepted;
static atomic_int ended;

static void on_ended(void *arg)
{
	(void)arg;
	atomic_fetch_add(&ended, 1);
}

static void accepting_get(struct coax_responder *responder, void *arg)
{
	struct coax_observer *observer = coax_responder_accept(responder, on_ended, NULL);

	if (observer)
		atomic_store(&accepted, observer);
	observed_get(responder, arg);
}

static void *trigger(void *arg)
{
	struct coax_message m;
	uint8_t buffer[64];

	(void)arg;
	given(&m, buffer, sizeof(buffer));
	for (int i = 0; i < CHANGES; i++) {
		atomic_fetch_add(&observed.value, 1);
		coax_observer_trigger(accepted, i % 2 ? &m : NULL, false);
	}
	return NULL;
}

TEST("one observer is triggered by several threads, and gets the last of it")
{
	const struct coax_resource_options options = {.path = "state", .get = accepting_get};
	pthread_t threads[2];
	struct told told;
	int fd;

	observed_start_with(&options, &observed_patient, 2);
	fd = observed_open();
	ask_for(fd, 1, 0, &told);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, trigger, NULL), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	coax_observer_trigger(accepted, NULL, true);
	do
		ASSERT_TRUE(told_acknowledged(fd, &told));
	while (told.has_number);
	EXPECT_STREQ(told.text, "value 600");
	WAIT_FOR(atomic_load(&ended) == 1);
	expect_silence(fd);
	observed_end();
}

static void *keep_changing(void *arg)
{
	(void)arg;
	while (!atomic_load(&over))
		observed_change();
	return NULL;
}

TEST("a Context shuts down under changes")
{
	pthread_t threads[2];
	struct told told;
	int fd;

	observed_start(&observed_patient, 2, COAX_UNRELIABLE);
	fd = observed_open();
	for (uint8_t token = 1; token <= TOKENS; token++)
		ask_for(fd, token, 0, &told);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, keep_changing, NULL), 0);
	ASSERT_TRUE(told_next(fd, &told));
	coax_context_shutdown(observed.context);
	atomic_store(&over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	coax_site_destroy(observed.site);
}

TEST_MAIN()
