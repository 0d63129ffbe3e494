// SPDX-License-Identifier: BSD-2-Clause
/* Endpoints are found in `nearby` where that knows, and in `endpoints` where it does not. */
#include "exchange.h"

static struct coax_nearby *bucket_of(const struct kernel *kernel, const struct frame_flow *flow)
{
	struct coax_nearby *nearby =
		kernel_mmap(kernel_map(kernel, "nearby"), COAX_NEARBY_BUCKETS * sizeof(*nearby));
	struct coax_endpoint_key key = kernel_endpoint_key(flow);
	uint32_t words[sizeof(key) / 4];

	memcpy(words, &key, sizeof(words));
	return &nearby[coax_nearby_bucket(words)];
}

TEST("an endpoint in either place of its bucket is ours, and its service answers")
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (int way = 0; way < COAX_NEARBY_WAYS; way++) {
			struct exchange exchange = exchange_default(ipv6);
			struct coax_nearby *bucket;
			struct kernel kernel;

			kernel_open(&kernel);
			bucket = bucket_of(&kernel, &exchange.flow);
			bucket->complete = 1;
			bucket->key[way] = kernel_endpoint_key(&exchange.flow);
			bucket->service[way] = KERNEL_SERVICE;
			exchange_publish(&kernel, EXCHANGE_SLOT, &exchange);
			exchange_expect(&kernel, &exchange, "nearby");
			kernel_close(&kernel);
		}
	}
}

TEST("another port or address of a complete bucket is not ours, whatever else is known")
{
	struct exchange exchange = exchange_default(false);
	struct coax_nearby *bucket;
	struct kernel kernel;
	struct frame frame;

	kernel_open(&kernel);
	kernel_add_endpoint(&kernel, &exchange.flow);
	exchange_publish(&kernel, EXCHANGE_SLOT, &exchange);
	bucket = bucket_of(&kernel, &exchange.flow);
	bucket->complete = 1;
	bucket->key[0] = kernel_endpoint_key(&exchange.flow);
	bucket->key[0].port_be ^= 1;
	bucket->key[1] = kernel_endpoint_key(&exchange.flow);
	bucket->key[1].address[15] ^= 1;
	exchange_request(&exchange, &frame);
	EXPECT_OUTCOME(&kernel, &frame, pass_not_ours);
	kernel_close(&kernel);
}

TEST("what a bucket does not hold, or holds while it is written, is looked up")
{
	struct exchange exchange = exchange_default(true);
	struct coax_nearby *bucket;
	struct kernel kernel;
	struct frame frame;

	kernel_open(&kernel);
	exchange_publish(&kernel, EXCHANGE_SLOT, &exchange);
	bucket = bucket_of(&kernel, &exchange.flow);
	exchange_request(&exchange, &frame);
	EXPECT_OUTCOME(&kernel, &frame, pass_not_ours);

	kernel_add_endpoint(&kernel, &exchange.flow);
	exchange_expect(&kernel, &exchange, "not complete");

	/* A wrong service, half of a write. */
	bucket->complete = 1;
	bucket->key[0] = kernel_endpoint_key(&exchange.flow);
	bucket->service[0] = KERNEL_SERVICE + 1;
	bucket->sequence = 1;
	exchange_expect(&kernel, &exchange, "being written");
	bucket->sequence = 2;
	EXPECT_OUTCOME(&kernel, &frame, pass_unknown);
	kernel_close(&kernel);
}

TEST_MAIN()
