/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps, by the layouts of <coax/maps.h>, and what each loaded program has for itself.
 * All are typed, so that bpftool prints them in words.
 */
#ifndef COAX_BPF_MAPS_H
#define COAX_BPF_MAPS_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <coax/maps.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct coax_endpoint_key);
	__type(value, struct coax_endpoint_value);
} endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, COAX_NEARBY_BUCKETS);
	__type(key, __u32);
	__type(value, struct coax_nearby);
} nearby SEC(".maps");

/* Userspace sizes `index`, `slots` and `hints` before it loads them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct coax_index_key);
	__type(value, struct coax_index_value);
} request_index __asm__("index") SEC(".maps"); /* C has a function of that name built in */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct coax_slot);
} slots SEC(".maps");

/* Userspace sizes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct coax_exchange_record);
} exchanges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct coax_secret);
} secret SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct coax_config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct coax_stats);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, COAX_LIMITS);
	__type(key, __u32);
	__type(value, struct coax_limit);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct coax_verified_key);
	__type(value, struct coax_verified_value);
} verified SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, COAX_PREFIXES_MAX);
	__type(key, struct coax_prefix_key);
	__type(value, struct coax_prefix_value);
} prefixes SEC(".maps");

/* Userspace sizes it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct coax_session_key);
	__type(value, struct coax_session_value);
} sessions SEC(".maps");

/* Where this program found requests last: see cache.h. Not shared, a power of two. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, __u32);
} hints SEC(".maps");

static __always_inline const struct coax_config *configuration(void)
{
	const __u32 only = 0;

	return bpf_map_lookup_elem(&config, &only);
}

/* Words that userspace changes while this runs: read once, each time. */
#define SWITCH(config, name) (*(const volatile __typeof__((config)->name) *)&(config)->name)

volatile struct coax_link_state coax_link SEC(".data.link");

volatile struct coax_place coax_place SEC(".data.place");

const volatile struct coax_setup coax_setup = {.weakly_ordered = 1, .hint_bits = 15};

#endif
