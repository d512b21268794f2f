/*
 * Makes libcurl overwrite memory before freeing it. libcurl copies headers, forms and answers, so without
 * this the secrets of a finished request would stay in freed memory.
 */
#ifndef NET_CURL_MEMORY_H
#define NET_CURL_MEMORY_H

/* Call it instead of curl_global_init(). Each call needs one curl_global_cleanup(). 0 or -ENOMEM. */
int curl_memory_init(void);

#endif
