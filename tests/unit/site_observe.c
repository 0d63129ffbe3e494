// SPDX-License-Identifier: BSD-2-Clause
/* What the Site makes of Observe (RFC 7641), and of who wants to deal with an observer itself. */
#include "../site.h"

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

TEST_MAIN()
