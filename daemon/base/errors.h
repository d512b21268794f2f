/*
 * How functions of this daemon answer, said once:
 *
 *    0          done
 *    positive   an expected outcome, named by an enum of the module; the direct
 *               caller handles it right here and never passes it on
 *    negative   an errno, negated; nobody examines it, everybody passes it up
 *
 * and the clean-up attribute that makes the second failure of a constructor as
 * harmless as the first:
 *
 *    CLEANUP(thing_freep) struct thing *t = NULL;
 *    …
 *    *ret = TAKE(t);
 */
#ifndef BASE_ERRORS_H
#define BASE_ERRORS_H

#define CLEANUP(fn) __attribute__((cleanup(fn)))
/* hands the pointer over and leaves NULL behind */
#define TAKE(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})
/* defines type##_freep for CLEANUP from void fn(struct type *) */
#define DEFINE_FREEP(type, fn)                                                                     \
	static inline void type##_freep(struct type **p) { fn(*p); }

#endif
