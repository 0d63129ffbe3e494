// SPDX-License-Identifier: BSD-2-Clause
#include "internal.h"

static bool logs(const struct coax_exchange *exchange, enum coax_log_level level)
{
	return coax_log_wants(exchange->logger, level);
}

static const char *security_of(const struct coax_path *path)
{
	return path->session ? " by DTLS" : "";
}

void coax_exchange_trace(const struct coax_exchange *exchange, const char *what,
			 const struct coax_path *path, const uint8_t *data, size_t length)
{
	char address[COAX_ADDRESS_TEXT_MAX], text[COAX_DESCRIPTION_MAX];
	struct coax_message message;

	if (!logs(exchange, COAX_LOG_DEBUG))
		return;
	coax_address_format(&path->remote, address);
	if (coax_message_parse(&message, data, length))
		coax_log(exchange->logger, COAX_LOG_DEBUG, "%s %s%s: %zu bytes, %s", what, address,
			 security_of(path), length, message.error);
	else
		coax_log(exchange->logger, COAX_LOG_DEBUG, "%s %s%s: %s", what, address,
			 security_of(path), coax_message_describe(&message, text, sizeof(text)));
}

void coax_exchange_inform(const struct coax_exchange *exchange, const char *what,
			  const struct coax_path *path, uint16_t id)
{
	char address[COAX_ADDRESS_TEXT_MAX];

	if (!logs(exchange, COAX_LOG_INFO))
		return;
	coax_log(exchange->logger, COAX_LOG_INFO, "%s %s%s, mid=0x%04x", what,
		 coax_address_format(&path->remote, address), security_of(path), id);
}

void coax_exchange_ignore(const struct coax_exchange *exchange, const char *what,
			  const struct coax_path *path, const struct coax_message *message)
{
	coax_count(exchange->stats, ignored);
	coax_exchange_inform(exchange, what, path, coax_message_id(message));
}

/* Whether there is still room for one in this second. */
static bool may_warn(struct coax_exchange *exchange)
{
	struct coax_warnings *warnings = &exchange->warnings;

	if (exchange->now - warnings->since >= NS_PER_SEC) {
		if (warnings->suppressed)
			coax_log(exchange->logger, COAX_LOG_WARNING,
				 "%u more warnings about peers were not written",
				 warnings->suppressed);
		*warnings = (struct coax_warnings){.since = exchange->now};
	}
	if (warnings->written == COAX_WARNINGS_PER_SECOND) {
		warnings->suppressed++;
		return false;
	}
	warnings->written++;
	return true;
}

void coax_exchange_warn(struct coax_exchange *exchange, const char *what, const char *detail,
			const struct coax_path *path)
{
	char address[COAX_ADDRESS_TEXT_MAX];

	if (!logs(exchange, COAX_LOG_WARNING) || !may_warn(exchange))
		return;
	coax_log(exchange->logger, COAX_LOG_WARNING, "%s %s%s: %s", what,
		 coax_address_format(&path->remote, address), security_of(path), detail);
}
