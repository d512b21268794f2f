/*
 * Intrusive doubly linked list: the link is a member of the record, so a record can be
 * in several lists, is removed in O(1), and linking allocates nothing.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

#define LIST_INIT(l) {&(l), &(l)}

/* An empty head, or a link in no list. */
static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* whether this link is in a list */
static inline bool list_linked(const struct list *link)
{
	return link->next != link;
}

static inline void list_insert_before_(struct list *at, struct list *link)
{
	link->prev = at->prev;
	link->next = at;
	at->prev->next = link;
	at->prev = link;
}

static inline void list_append(struct list *head, struct list *link)
{
	list_insert_before_(head, link);
}

static inline void list_prepend(struct list *head, struct list *link)
{
	list_insert_before_(head->next, link);
}

/* inserts `link` directly after `at` */
static inline void list_insert_after(struct list *at, struct list *link)
{
	list_insert_before_(at->next, link);
}

/* Removes the link from its list; does nothing if it is in none. */
static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* Moves all of `from` to the end of `to`. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define LIST_OF(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))
/* first record, or NULL */
#define LIST_FIRST(head, type, member)                                                             \
	(list_empty(head) ? NULL : LIST_OF((head)->next, type, member))
#define LIST_EACH(it, head, type, member)                                                          \
	for (type *it = LIST_OF((head)->next, type, member); &it->member != (head);                \
	     it = LIST_OF(it->member.next, type, member))
/* the body may remove and free `it`, but no other record */
#define LIST_EACH_SAFE(it, head, type, member)                                                     \
	for (type *it = LIST_OF((head)->next, type, member),                                       \
		  *it##_next = LIST_OF(it->member.next, type, member);                             \
	     &it->member != (head);                                                                \
	     it = it##_next, it##_next = LIST_OF(it->member.next, type, member))

#endif
