// SPDX-License-Identifier: BSD-2-Clause
/* Resources whose handlers run in the application's own thread. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include "../site.h"

#define REQUESTS 2000
#define WORKERS	 2

static struct coax_queue *queue;
static struct coax_site *site;
static int deferred, answers[256]; /* by code */

/*
 * What is deferred here goes away with its answer, as in a Context.
 */
struct later {
	struct coax_responder responder;
	uint8_t request[256];
	uint8_t response[COAX_MESSAGE_MAX];
};

static void respond_later(struct coax_responder *responder)
{
	uint8_t code = coax_message_code(&responder->response);

	__atomic_add_fetch(&answers[code], 1, __ATOMIC_SEQ_CST);
	coax_subject_put(responder->subject);
	free(caa_container_of(responder, struct later, responder));
}

static struct coax_responder *defer(struct coax_responder *responder)
{
	static const struct coax_responder_ops ops = {.respond = respond_later};
	struct later *later = malloc(sizeof(*later));

	ASSERT_TRUE(later);
	later->responder = *responder;
	later->responder.ops = &ops;
	ASSERT_LE(responder->request.length, (uint32_t)sizeof(later->request));
	memcpy(later->request, responder->request.data, responder->request.length);
	later->responder.request.data = later->request;
	ASSERT_EQ(coax_message_start(&later->responder.response, later->response,
				     sizeof(later->response), COAX_TYPE_ACK, COAX_EMPTY, 1, "tok",
				     3),
		  0);
	if (responder->subject)
		coax_subject_get(responder->subject);
	__atomic_add_fetch(&deferred, 1, __ATOMIC_SEQ_CST);
	return &later->responder;
}

static struct coax_responder *no_room(struct coax_responder *responder)
{
	(void)responder;
	return NULL;
}

static const struct coax_responder_ops ops = {.respond = asked_respond, .defer = defer};
static const struct coax_responder_ops full_ops = {.respond = asked_respond, .defer = no_room};

static uint8_t send_to(const char *path, uint8_t code, const struct coax_responder_ops *with)
{
	struct asked asked;

	ask(&asked, code, path);
	asked_ready(&asked);
	asked.responder.ops = with;
	rcu_read_lock();
	coax_site_render(site, &asked.responder);
	rcu_read_unlock();
	return coax_message_code(&asked.responder.response);
}

static void put(const char *path)
{
	EXPECT_EQ(send_to(path, COAX_PUT, &ops), COAX_EMPTY);
}

static struct coax_resource *add(const char *path, coax_handler_fn handler, void *arg)
{
	const struct coax_resource_options options = {
		.path = path,
		.put = handler,
		.get = handler,
		.arg = arg,
		.queue = queue,
		.cacheable = true,
	};
	struct coax_resource *resource;

	ASSERT_EQ(coax_site_add(site, &options, &resource), 0);
	return resource;
}

static void make_site(void)
{
	ASSERT_EQ(coax_queue_create(&queue), 0);
	ASSERT_EQ(coax_site_create(&site), 0);
}

static void destroy_site(void)
{
	coax_site_destroy(site);
	coax_queue_destroy(queue);
}

static bool is_readable(void)
{
	struct pollfd fd = {.fd = coax_queue_fd(queue), .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

static char order[64];
static pthread_t ran_on;

/* Says which of several it was by what stands for {n}. */
static void note(struct coax_responder *responder, void *arg)
{
	size_t length;
	const uint8_t *value = coax_responder_parameter(responder, "n", &length);

	(void)arg;
	ran_on = pthread_self();
	strncat(order, value ? (const char *)value : "-", value ? length : 1);
	coax_respond(responder, COAX_CHANGED);
}

TEST("a request waits in its resource's queue until that is processed, and is answered then")
{
	make_site();
	add("a/{n}", note, NULL);
	EXPECT_FALSE(is_readable());
	put("a/1");
	put("a/2");
	put("a/3");
	EXPECT_EQ(deferred, 3);
	EXPECT_STREQ(order, "");
	EXPECT_TRUE(is_readable());
	EXPECT_EQ(coax_queue_process(queue, false), 3);
	EXPECT_STREQ(order, "123");
	EXPECT_EQ(answers[COAX_CHANGED], 3);
	EXPECT_FALSE(is_readable());
	EXPECT_EQ(coax_queue_process(queue, false), 0);
	put("a/4");
	EXPECT_TRUE(is_readable());
	EXPECT_EQ(coax_queue_process(queue, true), 1);
	EXPECT_STREQ(order, "1234");
	destroy_site();
}

TEST("where no more can be deferred a request gets 5.03, and does not wait")
{
	make_site();
	add("a", note, NULL);
	EXPECT_EQ(send_to("a", COAX_PUT, &full_ops), COAX_SERVICE_UNAVAILABLE);
	EXPECT_FALSE(is_readable());
	EXPECT_EQ(coax_queue_process(queue, false), 0);
	destroy_site();
}

TEST("what checks refuse never gets to the queue")
{
	make_site();
	add("a", note, NULL);
	EXPECT_EQ(send_to("a", COAX_POST, &ops), COAX_METHOD_NOT_ALLOWED);
	EXPECT_EQ(send_to("b", COAX_PUT, &ops), COAX_NOT_FOUND);
	EXPECT_EQ(deferred, 0);
	EXPECT_FALSE(is_readable());
	destroy_site();
}

static void forget(struct coax_responder *responder, void *arg)
{
	(void)responder;
	(void)arg;
}

TEST("a handler in a queue that neither answers nor defers gives 5.00")
{
	make_site();
	add("a", forget, NULL);
	put("a");
	EXPECT_EQ(coax_queue_process(queue, false), 1);
	EXPECT_EQ(answers[COAX_INTERNAL_SERVER_ERROR], 1);
	destroy_site();
}

static struct coax_responder *kept;

static void keep(struct coax_responder *responder, void *arg)
{
	(void)arg;
	kept = coax_responder_defer(responder);
}

static void *answer_kept(void *arg)
{
	(void)arg;
	coax_respond(kept, COAX_CHANGED);
	return NULL;
}

TEST("a handler in a queue may defer, and have another thread answer")
{
	pthread_t thread;
	size_t length;

	make_site();
	add("a/{n}", keep, NULL);
	put("a/1");
	EXPECT_EQ(coax_queue_process(queue, false), 1);
	ASSERT_TRUE(kept);
	EXPECT_EQ(answers[COAX_INTERNAL_SERVER_ERROR], 0);
	EXPECT_FALSE(coax_responder_parameter(kept, "n", &length));
	ASSERT_EQ(pthread_create(&thread, NULL, answer_kept, NULL), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(answers[COAX_CHANGED], 1);
	destroy_site();
}

TEST("of a resource that is removed nothing runs any more: 4.04; what others wait for stays in order")
{
	struct coax_resource *b;

	make_site();
	add("a/{n}", note, NULL);
	b = add("b/{n}", note, NULL);
	put("a/1");
	put("b/x");
	put("a/2");
	put("b/y");
	put("a/3");
	coax_site_remove(site, b);
	EXPECT_EQ(answers[COAX_NOT_FOUND], 2);
	EXPECT_TRUE(is_readable());
	put("a/4");
	EXPECT_EQ(coax_queue_process(queue, false), 4);
	EXPECT_STREQ(order, "1234");
	EXPECT_EQ(answers[COAX_CHANGED], 4);
	destroy_site();
}

TEST("what still waits when its Site is destroyed gets 5.03, and is not run")
{
	struct coax_site *other;

	make_site();
	add("b", note, NULL);
	other = site;
	ASSERT_EQ(coax_site_create(&site), 0);
	add("a", note, NULL);
	put("a");
	coax_site_destroy(site);
	EXPECT_EQ(answers[COAX_SERVICE_UNAVAILABLE], 1);
	site = other;
	put("b");
	EXPECT_EQ(coax_queue_process(queue, false), 1);
	EXPECT_STREQ(order, "-");
	put("b");
	destroy_site();
	EXPECT_EQ(answers[COAX_SERVICE_UNAVAILABLE], 2);
	EXPECT_STREQ(order, "-");
}

static void *process_until_done(void *arg)
{
	int count = 0;

	while (count < *(int *)arg)
		count += coax_queue_process(queue, true);
	return NULL;
}

TEST("a thread waits in the queue for what comes, and runs it")
{
	pthread_t thread;
	int wanted = 2;

	make_site();
	add("a/{n}", note, NULL);
	ASSERT_EQ(pthread_create(&thread, NULL, process_until_done, &wanted), 0);
	put("a/1");
	while (__atomic_load_n(&answers[COAX_CHANGED], __ATOMIC_SEQ_CST) < 1)
		sched_yield();
	put("a/2");
	pthread_join(thread, NULL);
	EXPECT_STREQ(order, "12");
	EXPECT_TRUE(pthread_equal(ran_on, thread));
	destroy_site();
}

/* Removing while a handler runs. */

static bool running, may_end, removed;

static void run_until_told(struct coax_responder *responder, void *arg)
{
	(void)arg;
	__atomic_store_n(&running, true, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&may_end, __ATOMIC_SEQ_CST))
		sched_yield();
	for (int i = 0; i < 1000; i++) {
		sched_yield();
		EXPECT_FALSE(__atomic_load_n(&removed, __ATOMIC_SEQ_CST));
	}
	coax_respond(responder, COAX_CHANGED);
}

static void *remove_it(void *resource)
{
	while (!__atomic_load_n(&running, __ATOMIC_SEQ_CST))
		sched_yield();
	__atomic_store_n(&may_end, true, __ATOMIC_SEQ_CST);
	coax_site_remove(site, resource);
	__atomic_store_n(&removed, true, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST("removing a resource waits for its handler that runs in a queue")
{
	struct coax_resource *resource;
	pthread_t thread;

	make_site();
	resource = add("a", run_until_told, NULL);
	put("a");
	put("a");
	ASSERT_EQ(pthread_create(&thread, NULL, remove_it, resource), 0);
	coax_queue_process(queue, false);
	pthread_join(thread, NULL);
	EXPECT_TRUE(removed);
	EXPECT_EQ(answers[COAX_CHANGED] + answers[COAX_NOT_FOUND], 2);
	destroy_site();
}

/* All at once. */

static bool gone, stop;
static int too_late;

static void must_be_there(struct coax_responder *responder, void *arg)
{
	if (__atomic_load_n((bool *)arg, __ATOMIC_SEQ_CST))
		__atomic_store_n(&too_late, 1, __ATOMIC_SEQ_CST);
	coax_respond(responder, COAX_CHANGED);
}

static void *work(void *arg)
{
	(void)arg;
	for (int i = 0; i < REQUESTS; i++) {
		put("stays");
		(void)send_to("goes", COAX_PUT, &ops);
	}
	return NULL;
}

static void *process_until_stopped(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		coax_queue_process(queue, false);
		sched_yield();
	}
	return NULL;
}

TEST("workers add, a thread processes and resources go: each request is answered, none too late")
{
	pthread_t workers[WORKERS], processor;
	static bool never;
	int total = 0;

	make_site();
	add("stays", must_be_there, &never);
	ASSERT_EQ(pthread_create(&processor, NULL, process_until_stopped, NULL), 0);
	for (int i = 0; i < WORKERS; i++)
		ASSERT_EQ(pthread_create(&workers[i], NULL, work, NULL), 0);
	for (int i = 0; i < 200; i++) {
		struct coax_resource *resource;

		__atomic_store_n(&gone, false, __ATOMIC_SEQ_CST);
		resource = add("goes", must_be_there, &gone);
		sched_yield();
		coax_site_remove(site, resource);
		__atomic_store_n(&gone, true, __ATOMIC_SEQ_CST);
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	pthread_join(processor, NULL);
	coax_queue_process(queue, false);
	EXPECT_EQ(too_late, 0);
	for (int i = 0; i < 256; i++)
		total += answers[i];
	EXPECT_EQ(total, deferred);
	EXPECT_GE(answers[COAX_CHANGED], WORKERS * REQUESTS);
	EXPECT_EQ(answers[COAX_CHANGED] + answers[COAX_NOT_FOUND], total);
	destroy_site();
}

TEST_MAIN()
