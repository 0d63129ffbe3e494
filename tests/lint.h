/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For cppcheck, which does not look into the system's headers and has to be told what a loop is.
 */
#define cds_list_for_each_entry(at, list, node) for (at = first_of(list); at; at = next_of(at))
#define cds_list_for_each_entry_safe(at, next, list, node) \
	for (at = first_of(list), next = next_of(at); at; at = next, next = next_of(at))
#define json_object_foreach(object, key, value) \
	for (key = first_of(object); key && (value = value_of(object, key)); key = next_of(key))
