/*
 * --web.config.file, as Prometheus' programs take it
 * (https://prometheus.io/docs/prometheus/latest/configuration/https/): TLS by a certificate and a key, users
 * with bcrypt hashes, and headers for answers. What is not done (client certificates, chosen ciphers, rate
 * limits) is refused by name.
 *
 * Once read it is immutable, but for the memory of logins, which has a lock of its own: bcrypt is slow by
 * intention, so the last 100 answers are remembered.
 */
#ifndef API_ALERTMANAGER_WEB_CONFIG_H
#define API_ALERTMANAGER_WEB_CONFIG_H

#include "base/fs.h"

struct am_web_config;
struct am_web_header {
    const char *name, *value;
};

/* TC_EINPUT with FILE:LINE: what is wrong there. Files that it names are relative to its own folder. */
int am_web_config_read(const struct fs *fs, const char *path, struct am_web_config **ret, struct err *err);
void am_web_config_free(struct am_web_config *config);

/* NULL where TLS is off. The texts end with a zero. */
const char *am_web_config_certificate(const struct am_web_config *config);
const char *am_web_config_key(const struct am_web_config *config);
const char *
am_web_config_priorities(const struct am_web_config *config); /* for GnuTLS: the versions of TLS */
const struct am_web_header *am_web_config_headers(const struct am_web_config *config, size_t *ret_count);
/* Does anybody have to log in? */
bool am_web_config_has_users(const struct am_web_config *config);
/* Any thread; takes some 50 ms where the answer is not remembered. Either may be NULL. */
bool am_web_config_login(struct am_web_config *config, const char *user, const char *password);

#endif
