// SPDX-License-Identifier: BSD-2-Clause
/* What the Site makes of Observe (RFC 7641), and of who wants to deal with an observer itself. */
#include "../site.h"
#include "accel/accel.h"

static struct coax_observer *accepted;

static void content(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_respond(responder, COAX_CONTENT);
}

static void accept_it(struct coax_responder *responder, void *arg)
{
	(void)arg;
	accepted = coax_responder_accept(responder, NULL, NULL);
	EXPECT_FALSE(coax_responder_accept(responder, NULL, NULL));
	coax_respond(responder, COAX_CONTENT);
}

/* plain: not observable; seen: observable; own: accepts by itself; both: accepts all the same. */
static struct coax_site *make_site(void)
{
	const struct coax_resource_options resources[] = {
		{.path = "plain", .get = content, .put = content, .fetch = content},
		{.path = "seen",
		 .get = content,
		 .put = content,
		 .fetch = content,
		 .observable = true,
		 .notifications = COAX_UNRELIABLE},
		{.path = "own", .get = accept_it},
		{.path = "both", .get = accept_it, .observable = true},
	};
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		ASSERT_EQ(coax_site_add(site, &resources[i], NULL), 0);
	accepted = NULL;
	return site;
}

static int wish_of(struct coax_site *site, uint8_t code, const char *path, const void *value,
		   size_t length)
{
	struct asked asked;

	ask(&asked, code, path);
	ask_option(&asked, COAX_OBSERVE, value, length);
	ask_site(&asked, site);
	return (int)asked.responder.wish;
}

TEST("Observe 0 is the wish to register, 1 to deregister, also in more bytes than it takes")
{
	struct coax_site *site = make_site();

	EXPECT_EQ(wish_of(site, COAX_GET, "seen", "", 0), COAX_OBSERVE_REGISTER);
	EXPECT_EQ(wish_of(site, COAX_GET, "seen", "\0\0\0", 3), COAX_OBSERVE_REGISTER);
	EXPECT_EQ(wish_of(site, COAX_GET, "seen", "\1", 1), COAX_OBSERVE_DEREGISTER);
	EXPECT_EQ(wish_of(site, COAX_GET, "seen", "\0\1", 2), COAX_OBSERVE_DEREGISTER);
	EXPECT_EQ(wish_of(site, COAX_FETCH, "seen", "", 0), COAX_OBSERVE_REGISTER);
	EXPECT_EQ(wish_of(site, COAX_GET, "plain", "", 0), COAX_OBSERVE_REGISTER);
	coax_site_destroy(site);
}

TEST("Observe with another value, too long, or with another method is as good as absent")
{
	struct coax_site *site = make_site();

	EXPECT_EQ(wish_of(site, COAX_GET, "seen", "\2", 1), COAX_OBSERVE_NOTHING);
	EXPECT_EQ(wish_of(site, COAX_GET, "seen", "\1\0", 2), COAX_OBSERVE_NOTHING);
	EXPECT_EQ(wish_of(site, COAX_GET, "seen", "\1\0\0", 3), COAX_OBSERVE_NOTHING);
	EXPECT_EQ(wish_of(site, COAX_GET, "seen", "\0\0\0\0", 4), COAX_OBSERVE_NOTHING);
	EXPECT_EQ(wish_of(site, COAX_PUT, "seen", "", 0), COAX_OBSERVE_NOTHING);
	coax_site_destroy(site);
}

TEST("who deregisters is heard where there is nothing any more")
{
	struct coax_site *site = make_site();

	EXPECT_EQ(wish_of(site, COAX_GET, "nowhere", "\1", 1), COAX_OBSERVE_DEREGISTER);
	EXPECT_EQ(wish_of(NULL, COAX_GET, "nowhere", "\1", 1), COAX_OBSERVE_DEREGISTER);
	coax_site_destroy(site);
}

TEST("GET and FETCH of an observable resource say that it is, and how notifications leave")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask_plainly(&asked, site, COAX_GET, "seen");
	EXPECT_TRUE(asked.responder.observable);
	EXPECT_TRUE(asked.responder.notifications == COAX_UNRELIABLE);
	ask_plainly(&asked, site, COAX_FETCH, "seen");
	EXPECT_TRUE(asked.responder.observable);
	ask_plainly(&asked, site, COAX_PUT, "seen");
	EXPECT_FALSE(asked.responder.observable);
	ask_plainly(&asked, site, COAX_GET, "plain");
	EXPECT_FALSE(asked.responder.observable);
	coax_site_destroy(site);
}

/* How often the Context was asked to keep an observer. */
static int accepts(struct coax_site *site, const char *path, const char *value, size_t length,
		   bool observing)
{
	struct asked asked;

	accepted = NULL;
	ask(&asked, COAX_GET, path);
	if (value)
		ask_option(&asked, COAX_OBSERVE, value, length);
	asked.observing = observing;
	EXPECT_EQ(ask_site(&asked, site), COAX_CONTENT);
	EXPECT_TRUE(asked.responder.observer == accepted);
	EXPECT_EQ(accepted != NULL, asked.accepted == 1);
	return asked.accepted;
}

TEST("a handler accepts an observer once, if the request asks for it and nobody else sees to it")
{
	struct coax_site *site = make_site();

	EXPECT_EQ(accepts(site, "own", "", 0, true), 1);
	EXPECT_EQ(accepts(site, "own", "\1", 1, true), 0);
	EXPECT_EQ(accepts(site, "own", "\2", 1, true), 0);
	EXPECT_EQ(accepts(site, "own", NULL, 0, true), 0);
	EXPECT_EQ(accepts(site, "both", "", 0, true), 0);
	EXPECT_EQ(accepts(site, "own", "", 0, false), 0);
	coax_site_destroy(site);
}

/* Somebody who keeps observers of a resource. */
struct watcher {
	struct coax_subject_watch watch;
	int changes, notifications, lasts;
	uint8_t code;
	char payload[32];
	int changes_before_last;
	int result;
};

static void on_changed(struct coax_subject_watch *watch)
{
	caa_container_of(watch, struct watcher, watch)->changes++;
}

static int on_notify(struct coax_subject_watch *watch, const struct coax_message *response,
		     bool last)
{
	struct watcher *watcher = caa_container_of(watch, struct watcher, watch);
	size_t length = 0;
	const uint8_t *payload = response ? coax_message_payload(response, &length) : NULL;

	watcher->notifications++;
	watcher->lasts += last;
	watcher->code = response ? coax_message_code(response) : 0;
	snprintf(watcher->payload, sizeof(watcher->payload), "%.*s", (int)length,
		 payload ? (const char *)payload : "");
	watcher->changes_before_last = watcher->changes;
	return watcher->result;
}

/* A Site with one resource, "w", and somebody who watches its subject. */
static struct coax_site *watch(struct watcher *watcher, bool observable,
			       struct coax_resource **resource)
{
	const struct coax_resource_options options = {
		.path = "w", .get = content, .observable = observable, .cacheable = true};
	struct coax_site *site;
	struct asked asked;

	*watcher = (struct watcher){.watch = {.changed = on_changed, .notify = on_notify}};
	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &options, resource), 0);
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "w"), COAX_CONTENT);
	coax_subject_watch(asked.responder.subject, &watcher->watch);
	return site;
}

TEST("a change is told to who watches, a notification handed on with what it brings")
{
	struct coax_resource *resource;
	struct watcher watcher;
	struct coax_site *site = watch(&watcher, true, &resource);
	uint8_t buffer[64];
	struct coax_message m;

	coax_resource_changed(resource);
	EXPECT_EQ(watcher.changes, 1);
	ASSERT_EQ(coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_CONTENT, 0,
				     NULL, 0),
		  0);
	ASSERT_EQ(coax_message_set_payload(&m, "21", 2), 0);
	EXPECT_EQ(coax_resource_notify(resource, &m, false), 0);
	EXPECT_EQ(watcher.notifications, 1);
	EXPECT_EQ(watcher.lasts, 0);
	EXPECT_EQ(watcher.code, COAX_CONTENT);
	EXPECT_STREQ(watcher.payload, "21");
	EXPECT_EQ(coax_resource_notify(resource, NULL, true), 0);
	EXPECT_EQ(watcher.lasts, 1);
	EXPECT_EQ(watcher.changes, 1);
	watcher.result = -ENOMEM;
	EXPECT_EQ(coax_resource_notify(resource, &m, false), -ENOMEM);
	coax_subject_unwatch(&watcher.watch);
	coax_site_destroy(site);
}

TEST("a resource that is not observable has nobody to notify")
{
	struct coax_resource *resource;
	struct watcher watcher;
	struct coax_site *site = watch(&watcher, false, &resource);

	EXPECT_EQ(coax_resource_notify(resource, NULL, false), -EINVAL);
	EXPECT_EQ(watcher.notifications, 0);
	coax_site_remove(site, resource);
	EXPECT_EQ(watcher.notifications, 0);
	EXPECT_EQ(watcher.changes, 1);
	coax_subject_unwatch(&watcher.watch);
	coax_site_destroy(site);
}

TEST("observers of a resource that is removed are told 4.04 as the last, before it counts as changed")
{
	struct coax_resource *resource;
	struct watcher watcher;
	struct coax_site *site = watch(&watcher, true, &resource);

	coax_site_remove(site, resource);
	EXPECT_EQ(watcher.notifications, 1);
	EXPECT_EQ(watcher.lasts, 1);
	EXPECT_EQ(watcher.code, COAX_NOT_FOUND);
	EXPECT_EQ(watcher.changes_before_last, 0);
	EXPECT_EQ(watcher.changes, 1);
	coax_subject_unwatch(&watcher.watch);
	coax_site_destroy(site);
}

TEST_MAIN()
