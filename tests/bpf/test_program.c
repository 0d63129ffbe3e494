// SPDX-License-Identifier: BSD-2-Clause
/* The program as an object: what the verifier thinks of it, and what an operator sees. */
#include "exchange.h"

/* A tenth of what kernels take, and several times of what is needed: a change of order shows. */
#define INSTRUCTIONS_MAX 100000U

TEST("the verifier is done after 100000 instructions, with and without barriers")
{
	struct kernel kernel;

	for (int barriers = 0; barriers < 2; barriers++) {
		struct bpf_prog_info info = {0};
		uint32_t length = sizeof(info);

		if (barriers)
			setenv("COAX_TEST_BARRIERS", "1", 1);
		kernel_open(&kernel);
		ASSERT_EQ(bpf_obj_get_info_by_fd(kernel.program, &info, &length), 0);
		printf("# verified instructions: %u\n", info.verified_insns);
		EXPECT_GT(info.verified_insns, 0U);
		EXPECT_LT(info.verified_insns, INSTRUCTIONS_MAX);
		EXPECT_STREQ(info.name, COAX_PROGRAM_NAME);
		kernel_close(&kernel);
	}
}

TEST("nor does it take more where replies go by the host's routes")
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);
	struct coax_bpf *program;

	if (!kernel_may_load())
		SKIP("BPF programs may not be loaded here");
	program = coax_bpf__open();
	ASSERT_TRUE(program);
	program->rodata->coax_setup.route_replies = 1;
	ASSERT_EQ(coax_bpf__load(program), 0);
	ASSERT_EQ(bpf_obj_get_info_by_fd(bpf_program__fd(program->progs.coax_xdp), &info, &length),
		  0);
	printf("# verified instructions: %u\n", info.verified_insns);
	EXPECT_GT(info.verified_insns, 0U);
	EXPECT_LT(info.verified_insns, INSTRUCTIONS_MAX);
	coax_bpf__destroy(program);
}

TEST("every map has a type that tools can print")
{
	struct kernel kernel;
	struct bpf_map *map;
	int maps = 0;

	kernel_open(&kernel);
	bpf_object__for_each_map(map, kernel.object)
	{
		struct bpf_map_info info = {0};
		uint32_t length = sizeof(info);

		ASSERT_EQ(bpf_obj_get_info_by_fd(bpf_map__fd(map), &info, &length), 0);
		if (!info.btf_id || !info.btf_value_type_id) {
			HARNESS_SAY("map %s has none", info.name);
			harness_failed = 1;
		}
		maps++;
	}
	EXPECT_GE(maps, 8);
	kernel_close(&kernel);
}

TEST("the maps are as long and as wide as the layout says")
{
	static const struct {
		const char *name;
		uint32_t type, key, value, flags;
	} wanted[] = {
		{"endpoints", BPF_MAP_TYPE_HASH, sizeof(struct coax_endpoint_key),
		 sizeof(struct coax_endpoint_value), 0},
		{"index", BPF_MAP_TYPE_HASH, sizeof(struct coax_index_key),
		 sizeof(struct coax_index_value), 0},
		{"slots", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct coax_slot), BPF_F_MMAPABLE},
		{"config", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct coax_config), BPF_F_MMAPABLE},
		{"stats", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct coax_stats), 0},
		{"limits", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct coax_limit), BPF_F_MMAPABLE},
		{"verified", BPF_MAP_TYPE_LRU_HASH, sizeof(struct coax_verified_key),
		 sizeof(struct coax_verified_value), 0},
		{"prefixes", BPF_MAP_TYPE_LPM_TRIE, sizeof(struct coax_prefix_key),
		 sizeof(struct coax_prefix_value), BPF_F_NO_PREALLOC},
		{"sessions", BPF_MAP_TYPE_HASH, sizeof(struct coax_session_key),
		 sizeof(struct coax_session_value), BPF_F_NO_PREALLOC},
		{"secret", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct coax_secret), 0},
	};
	struct kernel kernel;

	kernel_open(&kernel);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		struct bpf_map_info info = {0};
		uint32_t length = sizeof(info);

		ASSERT_EQ(
			bpf_obj_get_info_by_fd(kernel_map(&kernel, wanted[i].name), &info, &length),
			0);
		EXPECT_STREQ(info.name, wanted[i].name);
		EXPECT_EQ(info.type, wanted[i].type);
		EXPECT_EQ(info.key_size, wanted[i].key);
		EXPECT_EQ(info.value_size, wanted[i].value);
		EXPECT_EQ(info.map_flags, wanted[i].flags);
	}
	kernel_close(&kernel);
}

TEST_MAIN()
