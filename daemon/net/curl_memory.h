/*
 * libcurl's memory. It writes headers, forms and what comes back into memory of its own, and frees it as
 * it is: with this, whatever libcurl frees is overwritten, so that no secret of a request that has ended
 * stays there.
 */
#ifndef NET_CURL_MEMORY_H
#define NET_CURL_MEMORY_H

/* In place of curl_global_init(): counted, curl_global_cleanup() is due for each. 0 or -ENOMEM. */
int curl_memory_init(void);

#endif
