// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests to groups: who answers, once each, until the time is up.
 */
#include <net/if.h>
#include <sched.h>
#include "../requester.h"

#define GROUP "224.0.1.187"

/* A network with nothing but loopback, over which groups are reached. */
static void begin_network(void)
{
	if (unshare(CLONE_NEWNET) ||
	    system("ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo"))
		SKIP("needs a network namespace of its own");
}

/* What the members of the group are sent. */
static void join(struct peer *peer)
{
	struct ip_mreqn by = {.imr_ifindex = (int)if_nametoindex("lo")};

	peer_open_at(peer, GROUP);
	ASSERT_EQ(inet_pton(AF_INET, GROUP, &by.imr_multiaddr), 1);
	ASSERT_EQ(setsockopt(peer->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &by, sizeof(by)), 0);
}

/* A member that answers what came to the group from an address of its own. */
static void become_member(struct peer *member, const struct peer *group)
{
	peer_open(member);
	member->requester = group->requester;
	memcpy(member->bytes, group->bytes, sizeof(group->bytes));
	ASSERT_EQ(coax_message_parse(&member->request, member->bytes, group->request.length), 0);
}

/* What has been collected. */
struct collection {
	sem_t over;
	atomic_int count;
	int ends;
	int result;
	uint8_t codes[64];
	in_port_t ports[64];
	size_t lengths[64];
	struct coax_request *request;
	bool cancels; /* with the first response */
};

static void collect(void *arg, int result, const struct coax_message *response,
		    const union coax_address *remote)
{
	struct collection *collection = arg;
	int at = collection->count;

	if (!response) {
		collection->result = result;
		collection->ends++;
		sem_post(&collection->over);
		return;
	}
	EXPECT_EQ(result, 0);
	EXPECT_EQ(collection->ends, 0);
	ASSERT_LT(at, 64);
	collection->codes[at] = coax_message_code(response);
	collection->ports[at] = coax_address_port(remote);
	if (coax_message_payload(response, &collection->lengths[at]))
		EXPECT_MEMEQ(coax_message_payload(response, &collection->lengths[at]),
			     numbered_bytes(), collection->lengths[at]);
	atomic_fetch_add(&collection->count, 1);
	if (collection->cancels)
		coax_request_cancel(collection->request);
}

static void wait_for_end(struct collection *collection)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	ASSERT_EQ(sem_timedwait(&collection->over, &until), 0);
}

static bool has(const struct collection *collection, const struct peer *member, uint8_t code,
		size_t length)
{
	for (int i = 0; i < collection->count; i++)
		if (collection->ports[i] == coax_address_port(&member->address))
			return collection->codes[i] == code && collection->lengths[i] == length;
	return false;
}

/* A request to a group that is under way, and has arrived there. */
struct scene {
	struct coax_context *context;
	struct peer group;
	struct collection collection;
};

static void begin(struct scene *scene, uint8_t code, uint32_t timeout_ms)
{
	const struct coax_request_options options = {.timeout_ms = timeout_ms};
	uint8_t buffer[64];
	struct coax_message message = request_message(buffer, sizeof(buffer), code, "thing");

	begin_network();
	*scene = (struct scene){.context = requester_start(1)};
	sem_init(&scene->collection.over, 0, 0);
	join(&scene->group);
	ASSERT_EQ(coax_request_multicast(scene->context, &scene->group.address, &message, &options,
					 collect, &scene->collection, &scene->collection.request),
		  0);
	peer_take(&scene->group);
}

static void end(struct scene *scene)
{
	coax_context_shutdown(scene->context);
	EXPECT_EQ(scene->collection.ends, 1);
}

TEST("a group is sent one message that is not confirmable, and each responder is told of once")
{
	struct peer members[3];
	struct scene scene;

	begin(&scene, COAX_GET, 200);
	EXPECT_TRUE(coax_message_type(&scene.group.request) == COAX_TYPE_NON);
	for (int i = 0; i < 3; i++)
		become_member(&members[i], &scene.group);
	peer_answer(&members[0], COAX_CONTENT, numbered_bytes(), 10);
	peer_answer(&members[1], COAX_CONTENT, numbered_bytes(), 11);
	peer_answer(&members[0], COAX_CONTENT, numbered_bytes(), 10);
	peer_answer(&members[2], COAX_NOT_FOUND, NULL, 0);
	peer_answer(&members[1], COAX_NOT_FOUND, NULL, 0);
	wait_for_end(&scene.collection);
	EXPECT_EQ(scene.collection.result, -ETIMEDOUT);
	EXPECT_EQ(scene.collection.count, 3);
	EXPECT_TRUE(has(&scene.collection, &members[0], COAX_CONTENT, 10));
	EXPECT_TRUE(has(&scene.collection, &members[1], COAX_CONTENT, 11));
	EXPECT_TRUE(has(&scene.collection, &members[2], COAX_NOT_FOUND, 0));
	EXPECT_FALSE(peer_takes_within(&scene.group, 0));
	end(&scene);
}

TEST("what comes when the time is up is not told any more")
{
	struct peer member;
	struct scene scene;

	begin(&scene, COAX_GET, 50);
	become_member(&member, &scene.group);
	wait_for_end(&scene.collection);
	peer_answer(&member, COAX_CONTENT, NULL, 0);
	end(&scene);
	EXPECT_EQ(scene.collection.count, 0);
}

TEST("the rest of a body is fetched from its responder, by unicast")
{
	struct peer members[2];
	struct scene scene;

	begin(&scene, COAX_GET, 500);
	for (int i = 0; i < 2; i++) {
		become_member(&members[i], &scene.group);
		peer_begin(&members[i], COAX_CONTENT);
		peer_add_block(&members[i], COAX_BLOCK2, 0, true, 2);
		coax_message_set_payload(&members[i].reply, numbered_bytes(), 64);
		peer_send(&members[i]);
	}
	for (int i = 0; i < 2; i++) {
		peer_take(&members[i]);
		EXPECT_TRUE(peer_was_sent(&members[i], COAX_URI_PATH));
		peer_expect_block(&members[i], COAX_BLOCK2, 1, false, 2);
		peer_begin(&members[i], COAX_CONTENT);
		peer_add_block(&members[i], COAX_BLOCK2, 1, false, 2);
		coax_message_set_payload(&members[i].reply, numbered_bytes() + 64, 5 + (size_t)i);
		peer_send(&members[i]);
	}
	wait_for_end(&scene.collection);
	EXPECT_EQ(scene.collection.count, 2);
	EXPECT_TRUE(has(&scene.collection, &members[0], COAX_CONTENT, 69));
	EXPECT_TRUE(has(&scene.collection, &members[1], COAX_CONTENT, 70));
	EXPECT_FALSE(peer_takes_within(&scene.group, 0));
	end(&scene);
}

TEST("a responder that wants proof of freshness gets it, by unicast")
{
	struct peer member;
	struct scene scene;

	begin(&scene, COAX_GET, 300);
	become_member(&member, &scene.group);
	peer_begin(&member, COAX_UNAUTHORIZED);
	coax_message_add_string(&member.reply, COAX_ECHO, "fresh?");
	peer_send(&member);
	peer_take(&member);
	EXPECT_TRUE(peer_was_sent(&member, COAX_ECHO));
	peer_answer(&member, COAX_CONTENT, numbered_bytes(), 4);
	wait_for_end(&scene.collection);
	EXPECT_TRUE(has(&scene.collection, &member, COAX_CONTENT, 4));
	end(&scene);
}

TEST("a responder that leaves in the middle of its body does not hold up the end")
{
	struct peer member;
	struct scene scene;

	begin(&scene, COAX_GET, 100);
	become_member(&member, &scene.group);
	peer_begin(&member, COAX_CONTENT);
	peer_add_block(&member, COAX_BLOCK2, 0, true, 2);
	coax_message_set_payload(&member.reply, numbered_bytes(), 64);
	peer_send(&member);
	peer_take(&member);
	wait_for_end(&scene.collection);
	EXPECT_EQ(scene.collection.result, -ETIMEDOUT);
	EXPECT_EQ(scene.collection.count, 0);
	end(&scene);
}

TEST("collecting is cancelled, also from the callback and in the middle of bodies")
{
	struct peer members[3];
	struct scene scene;

	begin(&scene, COAX_GET, 5000);
	scene.collection.cancels = true;
	for (int i = 0; i < 3; i++)
		become_member(&members[i], &scene.group);
	peer_begin(&members[0], COAX_CONTENT);
	peer_add_block(&members[0], COAX_BLOCK2, 0, true, 2);
	coax_message_set_payload(&members[0].reply, numbered_bytes(), 64);
	peer_send(&members[0]);
	peer_take(&members[0]);
	peer_answer(&members[1], COAX_CONTENT, NULL, 0);
	wait_for_end(&scene.collection);
	EXPECT_EQ(scene.collection.result, -ECANCELED);
	peer_answer(&members[2], COAX_CONTENT, NULL, 0);
	end(&scene);
	EXPECT_EQ(scene.collection.count, 1);
}

TEST("collecting ends at shutdown, in the middle of bodies")
{
	struct peer member;
	struct scene scene;

	begin(&scene, COAX_GET, 5000);
	become_member(&member, &scene.group);
	peer_begin(&member, COAX_CONTENT);
	peer_add_block(&member, COAX_BLOCK2, 0, true, 2);
	coax_message_set_payload(&member.reply, numbered_bytes(), 64);
	peer_send(&member);
	peer_take(&member);
	end(&scene);
	EXPECT_EQ(scene.collection.result, -ESHUTDOWN);
}

TEST("a request to no group, to one host by name of a group, or with a body in blocks is refused")
{
	struct coax_context *context = requester_start(1);
	const struct coax_request_options small = {.block_size = 16};
	union coax_address host, group;
	uint8_t buffer[128];
	struct coax_message message = request_message(buffer, sizeof(buffer), COAX_POST, "thing");

	ASSERT_EQ(coax_address_parse(&host, "127.0.0.1", COAX_PORT), 0);
	ASSERT_EQ(coax_address_parse(&group, GROUP, COAX_PORT), 0);
	EXPECT_EQ(coax_request_multicast(context, &host, &message, NULL, collect, NULL, NULL),
		  -EINVAL);
	EXPECT_EQ(coax_request(context, &group, &message, NULL, outcome_take, NULL, NULL), -EINVAL);
	coax_message_set_payload(&message, numbered_bytes(), 17);
	EXPECT_EQ(coax_request_multicast(context, &group, &message, &small, collect, NULL, NULL),
		  -EMSGSIZE);
	message = request_message(buffer, sizeof(buffer), COAX_EMPTY, NULL);
	EXPECT_EQ(coax_request_multicast(context, &group, &message, NULL, collect, NULL, NULL),
		  -EINVAL);
	coax_context_shutdown(context);
}

static void hello(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_responder_set_payload(responder, numbered_bytes(), 3000);
	coax_respond(responder, COAX_CONTENT);
}

static void count_each(void *arg, int result, const struct coax_message *response,
		       const union coax_address *remote)
{
	size_t length;

	(void)remote;
	EXPECT_EQ(result, 0);
	coax_message_payload(response, &length);
	EXPECT_EQ(length, 3000U);
	(*(int *)arg)++;
}

TEST("servers of ours answer a group whose scope names an interface, with bodies in blocks")
{
	const char *group_names[] = {"ff02::fd%a0"};
	const struct coax_resource_options resource = {.path = "thing", .get = hello};
	const struct coax_request_options options = {.timeout_ms = 1000};
	struct coax_context *server, *client;
	union coax_address group;
	struct coax_site *site;
	uint8_t buffer[64];
	struct coax_message message = request_message(buffer, sizeof(buffer), COAX_GET, "thing");
	int count = 0;

	begin_network();
	if (system("ip link add a0 type veth peer name a1 && ip link set a0 up && "
		   "ip link set a1 up && ip addr add fe80::1/64 dev a0 nodad && "
		   "ip addr add fe80::2/64 dev a1 nodad"))
		SKIP("needs veth");
	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &resource, NULL), 0);
	ASSERT_EQ(coax_context_create(&server,
				      &(struct coax_context_options){
					      .site = site,
					      .groups = group_names,
					      .group_count = 1,
					      .workers = 1,
					      .tuning = {.leisure_ms = 1},
				      }),
		  0);
	client = requester_start_at(1, "*:0");
	ASSERT_EQ(coax_address_parse(&group, "[ff02::fd%a0]:5683", 0), 0);
	EXPECT_EQ(
		coax_request_multicast_wait(client, &group, &message, &options, count_each, &count),
		1);
	EXPECT_EQ(count, 1);
	coax_context_shutdown(client);
	coax_context_shutdown(server);
	coax_site_destroy(site);
}

TEST_MAIN()
