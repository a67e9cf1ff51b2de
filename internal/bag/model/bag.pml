/*
 * The protocol of package bag, for the model checker SPIN.
 *
 * Each block is headed by the Go function it stands for: who changes the one
 * changes the other. README.md says what is left out and why that is sound;
 * check.sh runs the configurations.
 *
 * A step here is one access to something that another goroutine may touch at
 * that moment: an atomic, or a lock. Steps are joined (atomic, d_step) in these
 * cases only:
 *
 *   - the taking of a lock with the first access under it, the last access with
 *     the release, and anything with accesses to what only the holder of the
 *     lock may touch: nobody can tell the difference;
 *   - a look with what it leads to, if the second access looks again: slot.Load
 *     with the Swap or CompareAndSwap after it;
 *   - a stripe's section of which others can see one store only (see FINE);
 *   - total and reserved, which the protocol never reads;
 *   - ghosts, assertions, local variables and choices.
 *
 * Go's atomics are sequentially consistent, and so is SPIN's memory.
 *
 * A loop that ends in break is a block with early exits: break is its return.
 */

/* ---- Configuration ---- */

#ifndef BORROWERS
#define BORROWERS 3    /* at most 4 */
#endif
#ifndef ITEMS
#define ITEMS 2        /* in the bag at the start */
#endif
#ifndef SPARE
#define SPARE 0        /* items that may be added, each in place of a removed one; ITEMS+SPARE is at most 3 */
#endif
#ifndef STRIPES
#define STRIPES 2      /* 1 to 3 */
#endif
#ifndef KEEPERS
#define KEEPERS 0
#endif

/* On when defined:
 *
 *   CANCEL    a waiter's context may end at any moment
 *   PATROL    patrol or Expel send a waiter away at any moment, any number of them
 *   LONG      patrol tells waiters that their wait is long, each at any moment
 *   CLOSER    the bag is closed at some moment
 *   RETAIN    a borrower may turn its loan into a reservation, or replace the item
 *   SHRINK    who gives up when it has been served removes its item; with HOLDERS
 *   FINE      the sections of stripes are taken apart, store by store
 *   SLEEPERS  a served waiter may never wake up; others may then wait for good,
 *             so that pan must be told with -E to accept any end
 *   HOLDERS   a borrower may keep its item for good; run it with -E too
 *   LIVENESS  fair locks, a clock, and the LTL formula at the end
 *   M_...     a mutant: the protocol with one mistake
 *   OUTCOMES_ONLY  nothing is asserted of the counters of the queue, so that a
 *             mutant must do real harm to be caught
 *
 * FINE is needed when somebody looks at an item from outside. Only Reserve does.
 * Without it the slot and n are all that others see of a stripe, so that a
 * section of its lock may be one step and needs no lock.
 */
#if KEEPERS > 0
#define FINE
#endif

#define ALL     (ITEMS + SPARE)
#define CALLERS (BORROWERS + KEEPERS + 2)   /* and the closer and the patrol */
#define CLOSER_ID   (BORROWERS + KEEPERS + 1)
#define PATROL_ID   (BORROWERS + KEEPERS + 2)

#define NONE   0       /* items and callers are numbered from one */
#define BIT(x) (1 << (x))

/* ---- The bag ---- */

mtype = { Outside, Idle, Taken, InUse, Reserved, Removed };  /* State */
mtype = { nil, cancelled, sentAway };                        /* errors of Wait */

/* Item */
mtype state[ALL+1] = Outside;
byte  home[ALL+1];

/* stripe */
byte slot[STRIPES];
byte stack[STRIPES];   /* as a set: that pop may take any item includes that it takes the last */
byte n[STRIPES];
#ifdef FINE
bool locked[STRIPES];  /* mu */
#endif

/* Bag */
byte late;             /* the waiter from whose arrival it is reckoned; NONE for never */
byte waking;
bool closed;
byte total = ITEMS;
byte reserved;

/* queue */
#ifdef LIVENESS
chan mu = [CALLERS] of { byte };   /* who has it, then who is next */
#else
bool mu;
#endif
byte line[BORROWERS+1];            /* first come first, NONE after the last */

/* waiter: one for each borrower, see README.md on the free list */
bool  queued[BORROWERS+1];
byte  item[BORROWERS+1];
mtype err[BORROWERS+1] = nil;
byte  over[BORROWERS+1];           /* signals: settled, */
byte  longer[BORROWERS+1];         /* and tooLong, which comes before it if at all */

/* ---- Ghosts: what the assertions know and the code does not ---- */

byte owner[ALL+1];                 /* who has the item; NONE while it is idle or removed */
byte ahead[BORROWERS+1];           /* set of those in the line who joined before this waiter */
bool told[BORROWERS+1];            /* tooLong was sent */
bool inWait[BORROWERS+1];          /* from joining the line to the return of Wait */
byte added = ITEMS;                /* items that ever were in the bag */
#if KEEPERS > 0
bool wantedOut[ALL+1];             /* somebody has a reason to reserve it: Pool.doom */
#endif

/* From some moment on nobody new comes and no waiter gives up. What is under way
 * then must come to rest with nothing lost. As the moment may be any, so may the
 * state be that it is reached in. */
bool calm;

/* ---- Counting ---- */

#define HAS(s, x) ((stack[s] >> (x)) & 1)

#if ALL == 1
#define LEN(s) HAS(s, 1)
#elif ALL == 2
#define LEN(s) (HAS(s, 1) + HAS(s, 2))
#else
#define LEN(s) (HAS(s, 1) + HAS(s, 2) + HAS(s, 3))
#endif

#define IN(s, x) (HAS(s, x) + (slot[s] == (x)))
#define FULL(s)  (stack[s] != 0 || slot[s] != NONE)

#if STRIPES == 1
#define PLACES_WITH(x) IN(0, x)
#define SOME_IDLE      FULL(0)
#elif STRIPES == 2
#define PLACES_WITH(x) (IN(0, x) + IN(1, x))
#define SOME_IDLE      (FULL(0) || FULL(1))
#else
#define PLACES_WITH(x) (IN(0, x) + IN(1, x) + IN(2, x))
#define SOME_IDLE      (FULL(0) || FULL(1) || FULL(2))
#endif

#define IN_LINE(i) (line[i] != NONE)
#define SERVED(w)  (!queued[w] && item[w] != NONE)

#if BORROWERS == 2
#define SERVED_COUNT (SERVED(1) + SERVED(2))
#elif BORROWERS == 3
#define SERVED_COUNT (SERVED(1) + SERVED(2) + SERVED(3))
#else
#define SERVED_COUNT (SERVED(1) + SERVED(2) + SERVED(3) + SERVED(4))
#endif
#ifdef M_DISPATCH_SERVES_THE_NEWEST
#if BORROWERS == 2
#define LINE_LEN     (IN_LINE(0) + IN_LINE(1))
#elif BORROWERS == 3
#define LINE_LEN     (IN_LINE(0) + IN_LINE(1) + IN_LINE(2))
#else
#define LINE_LEN     (IN_LINE(0) + IN_LINE(1) + IN_LINE(2) + IN_LINE(3))
#endif
#endif

/* ---- Time ----
 *
 * Whether the moment that late says has passed is anybody's guess at each look.
 * This includes a look with an old reading of the clock.
 *
 * For liveness the guess must come true in the end. There a clock makes the head
 * old at some moment, for the rest of its wait, and a reading shows who was old
 * when it was made.
 */

#ifdef LIVENESS
byte old;                          /* set of waiters who have waited longer than Patience */
byte now[CALLERS+1];               /* what old was when the caller read the clock */
#define READ_CLOCK    now[me] = old;
#define FORGET_CLOCK  now[me] = 0;
#define PASSED(w)     ((now[me] >> (w)) & 1)
#define NOT_PASSED(w) (!PASSED(w))
#else
#define READ_CLOCK
#define FORGET_CLOCK
#define PASSED(w)     true
#define NOT_PASSED(w) true
#endif

/* ---- Locks: to be used within atomic or d_step ---- */

/* queue.mu. The fair one stands for sync.Mutex, which lets a goroutine that has
 * tried for a millisecond go before all others. */
#ifdef LIVENESS
#define LOCK_QUEUE    mu ! me; mu ? <eval(me)>
#define UNLOCK_QUEUE  assert(QUEUE_IS_SOUND); mu ? _
#else
#define LOCK_QUEUE    !mu -> mu = true
#define UNLOCK_QUEUE  assert(QUEUE_IS_SOUND); mu = false
#endif

/* What holds whenever queue.mu is free. A served waiter counts as waking until a
 * moment after it has taken its item. */
#ifndef OUTCOMES_ONLY
#define QUEUE_IS_SOUND  (late == line[0] && waking >= SERVED_COUNT \
	&& !(closed && line[0] != NONE))
#else
#define QUEUE_IS_SOUND  true
#endif

/* stripe.mu */
#define LOCK_STRIPE(s)    !locked[s] -> locked[s] = true
#define UNLOCK_STRIPE(s)  assert(n[s] == LEN(s)); locked[s] = false

/* ======== stripe.go ======== */

/* Item.say and Item.move, by the one who has the item */
inline move(it, to) {
	assert(owner[it] == me && PLACES_WITH(it) == 0);
	state[it] = to
}

/* Bag.here: any stripe, at each call. Which it is only matters to speed. */
inline here() {
	if
	:: i = 0
#if STRIPES > 1
	:: i = 1
#endif
#if STRIPES > 2
	:: i = 2
#endif
	fi;
#ifdef M_TAKE_LOOKS_IN_ONE_STRIPE
	left = 1
#else
	left = STRIPES
#endif
}

/* The step of the loop in Bag.take */
inline nextStripe() {
	i = (i + 1) % STRIPES;
	left--;
	if
	:: left == 0 -> i = 0; break
	:: else
	fi
}

/* An item leaves the slot, or the stack, and belongs to somebody. */
inline takeSlot(s, it) {
	it = slot[s];
	assert(owner[it] == NONE);
	owner[it] = me;
	slot[s] = NONE
}

inline takeOut(s, it) {
	assert(HAS(s, it) && owner[it] == NONE);
	owner[it] = me;
	stack[s] = stack[s] & ~BIT(it);
	n[s] = LEN(s)                              /* n.Store */
}

/* stack[top] */
inline top(s, it) {
	if
	:: HAS(s, 1) -> it = 1
#if ALL > 1
	:: HAS(s, 2) -> it = 2
#endif
#if ALL > 2
	:: HAS(s, 3) -> it = 3
#endif
#ifdef M_POP_TRUSTS_N
	:: else -> assert(false)                   /* index out of range */
#endif
	fi
}

/* Bag.take, from stripe i on, with stripe.pop as the body of its loop; it is NONE
 * before, and still looks Idle afterwards */
inline take(it) {
	do
#if defined(M_POP_LOADS_THE_SLOT)
	:: atomic { slot[i] != NONE -> it = slot[i] }
		d_step { assert(owner[it] == NONE); owner[it] = me; slot[i] = NONE; i = 0; left = 0 }
		break
#elif !defined(M_POP_SKIPS_THE_SLOT)
	:: d_step { slot[i] != NONE -> takeSlot(i, it); i = 0; left = 0 } break   /* slot.Swap */
#endif
#ifdef M_POP_SKIPS_THE_SLOT
	:: true ->
#else
	:: slot[i] == NONE ->                      /* slot.Load, or slot.Swap in vain */
#endif
		if
		:: atomic { n[i] == 0 -> nextStripe() }                /* n.Load */
		:: n[i] != 0 ->                        /* n.Load */
#ifdef M_POP_WITHOUT_LOCK
			atomic {
				if
				:: stack[i] == 0 -> nextStripe()
				:: else -> top(i, it)
				fi
			}
			if
			:: it != NONE -> d_step { takeOut(i, it); i = 0; left = 0 } break
			:: else
			fi
#else
			atomic {
#ifdef FINE
				LOCK_STRIPE(i);
#endif
				if
#ifndef M_POP_TRUSTS_N
				:: stack[i] == 0 ->
#ifdef FINE
					UNLOCK_STRIPE(i);
#endif
					nextStripe()
#endif
				:: else -> top(i, it); takeOut(i, it)
#ifdef FINE
					; UNLOCK_STRIPE(i)
#endif
					; i = 0; left = 0; break
				fi
			}
#endif
		fi
	od
}

/* stripe.push at stripe i; afterwards it is no longer the caller's */
inline push(it) {
#ifdef FINE
#ifndef M_PUSH_PLACES_FIRST
	atomic { here(); home[it] = i }            /* home.Store */
#else
	atomic { here() }
#endif
#else
	atomic { here(); home[it] = i; left = 0 }
#endif
	assert(PLACES_WITH(it) == 0 && owner[it] == me);
	do
#ifdef M_PUSH_STORES_THE_SLOT
	:: slot[i] == NONE ->
		d_step { owner[it] = NONE; slot[i] = it };
		break
#else
	:: d_step { slot[i] == NONE -> owner[it] = NONE; slot[i] = it };  /* slot.CompareAndSwap */
		break
#endif
	:: slot[i] != NONE ->                      /* slot.Load, or slot.CompareAndSwap in vain */
#ifdef FINE
		atomic {
			LOCK_STRIPE(i);
			owner[it] = NONE;
			stack[i] = stack[i] | BIT(it)
		}
		d_step {
#ifndef M_PUSH_KEEPS_N
			n[i] = LEN(i);                     /* n.Store */
#endif
			UNLOCK_STRIPE(i)
		}
#else
		d_step {
			owner[it] = NONE;
			stack[i] = stack[i] | BIT(it);
#ifndef M_PUSH_KEEPS_N
			n[i] = LEN(i)                      /* n.Store */
#endif
		}
#endif
		break
	od;
#ifdef M_PUSH_PLACES_FIRST
	home[it] = i;
#endif
	i = 0; left = 0
}

/* stripe.reserve; sets ok */
#ifdef FINE
inline reserveIn(s, it) {
	do
#ifdef M_RESERVE_TRUSTS_STATE
	:: d_step { owner[it] = me; ok = true }; break
#else
	:: d_step { slot[s] == it -> takeSlot(s, it); ok = true }; break   /* slot.CompareAndSwap */
	:: slot[s] != it ->                        /* slot.CompareAndSwap in vain */
		atomic {
			LOCK_STRIPE(s);
			if
			:: HAS(s, it) -> ok = true;
				owner[it] = me;
				stack[s] = stack[s] & ~BIT(it)
			:: else -> UNLOCK_STRIPE(s); break
			fi
		}
		d_step {
			n[s] = LEN(s);                     /* n.Store */
			UNLOCK_STRIPE(s)
		}
		break
#endif
	od
}
#endif

/* ======== bag.go ======== */

/* Bag.TryBorrow */
inline tryBorrow(it) {
	if
	:: !calm && late != NONE && PASSED(late)   /* late.Load */
	:: atomic { !calm && (late == NONE || NOT_PASSED(late)) -> here() }  /* late.Load */
		take(it)
	fi
}

/* Bag.wanted; sets want. With queue.mu held nobody else changes late. */
inline wanted() {
	do
	:: atomic { late == NONE -> want = false; break }          /* late.Load */
	:: atomic { late != NONE -> seen = late }                  /* late.Load */
		if
		:: atomic { waking == 0 -> want = true; seen = NONE; break }   /* waking.Load */
		:: waking != 0                         /* waking.Load */
		fi;
		atomic {
			if
			:: PASSED(seen) -> want = true
			:: NOT_PASSED(seen) -> want = false
			fi;
			seen = NONE;
			break
		}
	od
}

/* Bag.put */
inline put(it) {
#ifdef M_PUT_LOOKS_FIRST
	wanted();
	push(it);
#else
	push(it);
	wanted();
#endif
	if
	:: want -> want = false; dispatch()
	:: else
	fi
}

/* Bag.handOver, with break where it succeeds */
inline handOver(it) {
	atomic { LOCK_QUEUE }
#ifndef M_HANDOVER_DOES_NOT_LOOK_AGAIN
	wanted();
#else
	want = true;
#endif
	if
	:: want ->
		d_step { want = false; move(it, Taken); got = it }
		serve();
		atomic { UNLOCK_QUEUE; break }
	:: else -> atomic { UNLOCK_QUEUE }
	fi
}

/* Bag.Return */
inline giveBack(it) {
	READ_CLOCK
	do
	:: true ->
		wanted();
		if
		:: want -> want = false; handOver(it)
		:: else
		fi;
		move(it, Idle);                        /* said.Store */
		put(it);
		break
	od;
	FORGET_CLOCK
	it = NONE
}

/* Bag.Restore, of an item that is not reserved */
inline restore(it) {
	READ_CLOCK
	move(it, Idle);                            /* said.Store */
#ifdef M_RESTORE_DOES_NOT_DISPATCH
	push(it);
#else
	put(it);
#endif
	FORGET_CLOCK
	it = NONE
}

/* Bag.Reserve; sets ok */
#ifdef FINE
inline reserve(it) {
	ok = false;
	do
	:: state[it] != Idle -> break              /* it.State */
	:: state[it] == Idle ->                    /* it.State */
		h = home[it];                          /* home.Load */
		reserveIn(h, it);
		h = 0;
		if
		:: ok -> d_step { move(it, Reserved); reserved++ }
		:: else
		fi;
		break
	od
}
#endif

/* Bag.Retain */
inline retain(it) {
	d_step { assert(state[it] == InUse); move(it, Reserved); reserved++ }
}

/* Bag.Restore, of an item that is reserved */
inline unreserve(it) {
	d_step { assert(state[it] == Reserved); reserved-- }
	restore(it)
}

/* Bag.Remove */
inline remove(it) {
	d_step {
		if
		:: state[it] == Reserved -> reserved--
		:: else
		fi;
		move(it, Removed);
		owner[it] = NONE;
		total--
	}
}

/* Bag.Add */
inline add(it) {
	READ_CLOCK
	d_step {
		assert(state[it] == Outside);
		owner[it] = me;
		move(it, Idle);
		total++
	}
#ifdef M_ADD_DOES_NOT_DISPATCH
	push(it);
#else
	put(it);
#endif
	FORGET_CLOCK
	it = NONE
}

/* ======== queue.go ======== */

/* waiter.settle; queue.mu is held */
inline settle(w, it, why) {
	d_step {
		assert(over[w] == 0);                  /* there is room: the settler does not block */
		item[w] = it;
		err[w] = why;
		if
		:: it != NONE -> assert(owner[it] == me); owner[it] = w
		:: else
		fi;
		over[w]++                              /* w.signals <- settled */
	}
}

/* Bag.join: the waiter goes to the end of the line */
inline append() {
	d_step {
		assert(!queued[me] && item[me] == NONE && over[me] == 0 && longer[me] == 0);
		queued[me] = true;
		told[me] = false;
		inWait[me] = true;
#ifdef LIVENESS
		old = old & ~BIT(me);                  /* since = now */
		do
		:: k <= CALLERS -> now[k] = now[k] & ~BIT(me); k++
		:: else -> k = 0; break
		od;
#endif
		do
		:: line[k] != NONE -> ahead[me] = ahead[me] | BIT(line[k]); k++
		:: else -> break
		od;
		line[k] = me;
		k = 0
	}
}

/* Bag.leave, but for the store to late */
inline unlink(w) {
	d_step {
		assert(queued[w]);
		queued[w] = false;
		do
		:: line[k] != w -> k++
		:: else -> break
		od;
		do
		:: k < BORROWERS -> line[k] = line[k+1]; k++
		:: else -> break
		od;
		do
		:: k > 0 -> ahead[k] = ahead[k] & ~BIT(w); k--
		:: else -> break
		od;
		ahead[w] = 0
	}
}

/* Bag.leave */
inline leave(w) {
	atomic {
		unlink(w);
#ifndef M_LEAVE_KEEPS_LATE
		late = line[0]                         /* late.Store */
#endif
	}
}

/* Bag.serve, with got; queue.mu is held */
inline serve() {
	atomic {
#ifdef M_DISPATCH_SERVES_THE_NEWEST
		w = line[LINE_LEN - 1];
#else
		w = line[0];
#endif
		assert(w != NONE);
		assert(ahead[w] == 0)                  /* first come, first served */
	}
	leave(w);
	waking++;                                  /* waking.Add */
#ifdef M_DISPATCH_SETTLES_UNLOCKED
	atomic { UNLOCK_QUEUE }
#endif
	settle(w, got, nil);
#ifdef M_DISPATCH_SETTLES_UNLOCKED
	atomic { LOCK_QUEUE }
#endif
	d_step { w = NONE; got = NONE }
}

/* Bag.dispatchLocked, and the release of queue.mu, which follows it everywhere */
inline dispatchLockedAndUnlock() {
	do
	:: true ->
		wanted();
		if
		:: atomic { !want -> UNLOCK_QUEUE; break }
		:: atomic { want -> want = false; here() }
		fi;
		take(got);
		if
		:: atomic { got == NONE -> UNLOCK_QUEUE; break }
		:: atomic { got != NONE -> move(got, Taken) }          /* said.Store */
		fi;
		serve()
	od
}

/* Bag.dispatch */
inline dispatch() {
	atomic { LOCK_QUEUE }
	dispatchLockedAndUnlock()
}

/* Bag.join, with break where it returns an error; so it must be called in a loop */
inline join() {
	atomic {
		LOCK_QUEUE;
		if
		:: closed -> reason = sentAway; UNLOCK_QUEUE; break
		:: else
		fi;
#ifndef M_JOIN_LOOKS_FIRST
		append();
#if !defined(M_JOIN_SHOWS_LAST)
		late = line[0]                         /* late.Store */
#endif
#endif
	}
#if defined(M_JOIN_DOES_NOT_LOOK)
	atomic { UNLOCK_QUEUE }
#else
	dispatchLockedAndUnlock();
#endif
#if defined(M_JOIN_LOOKS_FIRST)
	atomic { LOCK_QUEUE; append(); late = line[0]; UNLOCK_QUEUE }
#endif
#if defined(M_JOIN_SHOWS_LAST)
	atomic { LOCK_QUEUE; late = line[0]; UNLOCK_QUEUE }
#endif
}

/* queue.put */
inline keepWaiter() {
	d_step {
		assert(over[me] == 0 && longer[me] == 0);  /* whoever gets the waiter next needs an empty channel */
		item[me] = NONE;
		err[me] = nil
	}
}

/* Bag.some; sets want */
inline some() {
	atomic { want = false; left = STRIPES; i = 0 }
	do
	:: atomic { left == 0 -> i = 0; break }
	:: left != 0 ->
		if
		:: atomic { n[i] != 0 -> want = true; i = 0; left = 0; break }   /* n.Load */
		:: n[i] == 0                           /* n.Load */
		fi;
#ifndef M_SOME_SKIPS_THE_SLOT
		if
		:: atomic { slot[i] != NONE -> want = true; i = 0; left = 0; break }   /* slot.Load */
		:: atomic { slot[i] == NONE -> i++; left-- }           /* slot.Load */
		fi
#else
		atomic { i++; left-- }
#endif
	od
}

/* Bag.awake */
inline awake() {
#ifndef M_AWAKE_LOOKS_FIRST
	waking--;                                  /* waking.Add */
#endif
	if
	:: late == NONE                            /* late.Load */
	:: late != NONE ->                         /* late.Load */
		some();
		if
		:: want -> want = false; READ_CLOCK dispatch()
		:: else
		fi
	fi;
#ifdef M_AWAKE_LOOKS_FIRST
	waking--
#else
	skip
#endif
}

/* Bag.finish */
inline finish() {
	atomic { it = item[me]; reason = err[me]; keepWaiter() }
	if
	:: it == NONE
	:: it != NONE ->
#ifndef M_FINISH_DOES_NOT_DISPATCH
		awake()
#else
		waking--
#endif
	fi
}

/* Bag.giveUp */
inline giveUp() {
	atomic {
		LOCK_QUEUE;
		was = queued[me];
		if
		:: !was -> UNLOCK_QUEUE
		:: else
		fi
	}
	if
	:: was ->
		leave(me);
		atomic {
			UNLOCK_QUEUE;
			was = false;
#ifndef M_GIVEUP_LEAVES_LONG
			longer[me] = 0;            /* <-w.signals, if there is one */
#endif
			keepWaiter()
		}
	:: else ->
#ifndef M_GIVEUP_LEAVES_THE_SIGNAL
		d_step { longer[me] = 0; assert(over[me] == 1); over[me]-- }   /* <-w.signals: settled is there */
#endif
		atomic { it = item[me]; keepWaiter() }
		if
		:: it == NONE
		:: it != NONE ->
#if defined(M_CANCELLED_DROPS_THE_ITEM)
			waking--; it = NONE
#elif defined(M_CANCELLED_DOES_NOT_HAND_ON)
			waking--
#elif !defined(M_CANCELLED_STAYS_WAKING) && !defined(M_CANCELLED_RETURNS_FIRST)
			awake()
#endif
		fi
	fi
}

/* Bag.Wait. With givenUp the item must go back. */
inline wait() {
	do
	:: true ->
		join();
		do                                     /* select */
#ifdef CANCEL
		:: !calm -> reason = cancelled; break  /* <-done */
#endif
#ifdef LONG
		:: d_step { longer[me] > 0 -> longer[me]-- }
#endif
		:: d_step { longer[me] == 0 && over[me] > 0 -> over[me]-- }; break     /* <-w.signals */
#ifdef SLEEPERS
		:: over[me] > 0 -> false               /* asleep for good */
#endif
		od;
		if
		:: reason == cancelled -> giveUp()
		:: else -> finish()
		fi;
		break
	od;
	atomic {
		assert(it != NONE || reason != nil);
		assert(it == NONE || reason == nil || reason == cancelled);
		givenUp = (it != NONE && reason == cancelled);
		FORGET_CLOCK
		reason = nil;
		inWait[me] = false;
		k = 1;
		do
		:: k <= ALL -> assert(k == it || owner[k] != me); k++
		:: else -> k = 0; break
		od
	}
}

/* Bag.Close */
inline close() {
	atomic {
		LOCK_QUEUE;
#ifndef M_CLOSE_SENDS_AWAY_FIRST
		closed = true
#endif
	}
	do
	:: atomic { line[0] == NONE -> UNLOCK_QUEUE; break }
	:: atomic { line[0] != NONE -> w = line[0] }
		leave(w);
		settle(w, NONE, sentAway);
		w = NONE
	od;
#ifdef M_CLOSE_SENDS_AWAY_FIRST
	closed = true
#endif
}

/* Bag.patrol and Bag.Expel. Whose time has run out, or whom pick chooses, is
 * anybody's guess. */
inline patrol() {
	atomic {
		LOCK_QUEUE;
		if
		:: IN_LINE(0) -> w = line[0]
		:: IN_LINE(1) -> w = line[1]
#if BORROWERS > 2
		:: IN_LINE(2) -> w = line[2]
#endif
#if BORROWERS > 3
		:: IN_LINE(3) -> w = line[3]
#endif
		:: true                                /* nobody */
		fi
	}
	if
#ifdef PATROL
	:: w != NONE ->
#ifndef M_PATROL_LEAVES_IT_IN_LINE
		leave(w);
#endif
		settle(w, NONE, sentAway);
		w = NONE
#endif
#ifdef LONG
	:: d_step { w != NONE && longer[w] == 0 && !told[w] -> told[w] = true; longer[w]++; w = NONE }
#endif
	:: w == NONE || told[w] -> w = NONE
	fi;
	atomic { UNLOCK_QUEUE }
}
/* ======== Those who use the bag ======== */

/* Variables of a goroutine. */
#define LOCALS \
	byte it;                      /* the item it has */ \
	byte got; byte w;             /* in dispatchLocked */ \
	byte i; byte left;            /* the stripe in hand, and how many are left to look in */ \
	byte k; byte fresh;           /* scratch */ \
	byte seen; bool want;         /* in wanted */ \
	bool was; bool givenUp;       /* in giveUp, and after it */ \
	mtype reason = nil            /* the error of Wait */

/* Whoever had item y put it back, and looks whether there is a reason to take it
 * aside. Pool.afterReturn */
#if KEEPERS > 0
#define KEEPER_LOCALS byte h; byte y; bool ok
#define REMEMBER(it)  y = it;
#ifndef M_NOBODY_LOOKS_AFTERWARDS
#define LOOK_AFTER    afterReturn();
#else
#define LOOK_AFTER    y = NONE;
#endif
inline afterReturn() {
	do
	:: !wantedOut[y] -> y = NONE; break
	:: wantedOut[y] ->
		reserve(y);
		if
		:: ok -> ok = false; d_step { wantedOut[y] = false; it = y } unreserve(it)
		:: else -> y = NONE; break
		fi
	od
}
#else
#define KEEPER_LOCALS skip
#define REMEMBER(it)
#define LOOK_AFTER
#endif

/* The item is closed for good and another one opened. */
inline replace(it) {
	d_step { added < ALL -> added++; fresh = added }
	remove(it);
	d_step { it = fresh; fresh = NONE }
	REMEMBER(it)
	add(it)
}

/* What is done with a reserved item: it is put back or replaced. */
inline keep(it) {
	if
	:: REMEMBER(it) unreserve(it)
#if SPARE > 0
	:: replace(it)
#endif
	fi;
	LOOK_AFTER
}

/* Borrows, waits if it must and cares to, uses the item for a time, gives it back;
 * any number of times. */
proctype Borrower(byte me) {
	LOCALS;
	KEEPER_LOCALS;
	do
	:: calm -> break
	:: READ_CLOCK tryBorrow(it);
		if
		:: it == NONE -> wait()
		:: it == NONE -> FORGET_CLOCK skip     /* does not care to, or ErrFull */
		:: it != NONE -> FORGET_CLOCK skip
		fi;
		if
		:: givenUp -> givenUp = false; REMEMBER(it)
#ifdef SHRINK
			remove(it); it = NONE;
#elif !defined(M_CANCELLED_DOES_NOT_DISPATCH)
			restore(it);
#else
			move(it, Idle); push(it); it = NONE;
#endif
#ifdef M_CANCELLED_RETURNS_FIRST
			waking--;
#endif
			LOOK_AFTER
			skip
		:: else
		fi;
		if
		:: it != NONE ->
			assert(owner[it] == me && (state[it] == Idle || state[it] == Taken));
#ifdef RETAIN
			if
			:: REMEMBER(it) restore(it)        /* it was not fit */
			:: move(it, InUse);                /* Item.Lend */
				if
				:: REMEMBER(it) giveBack(it)
				:: retain(it); keep(it)
#if SPARE > 0
				:: replace(it)
#endif
				fi
			fi;
#else
			move(it, InUse);                   /* Item.Lend */
			if
			:: REMEMBER(it) giveBack(it)       /* Bag.Return */
#ifdef HOLDERS
			:: true -> false                   /* nobody else may have to wait for this */
#endif
			fi;
#endif
#if KEEPERS > 0
			if
			:: y != NONE -> LOOK_AFTER
			:: else
			fi
#else
			skip
#endif
		:: else
		fi
	od
}

/* Takes items aside; any number of times. It may ask for an item that is not in the
 * bag yet, or that has been removed since it was seen in the list of all. */
#if KEEPERS > 0
proctype Keeper(byte me) {
	LOCALS;
	KEEPER_LOCALS;
	do
	:: calm -> break
	:: atomic {
			!calm ->
			if
			:: y = 1
#if ALL > 1
			:: y = 2
#endif
#if ALL > 2
			:: y = 3
#endif
			fi
		}
		wantedOut[y] = true;
		reserve(y);
		if
		:: ok -> ok = false;
			d_step { assert(owner[y] == me && state[y] == Reserved); wantedOut[y] = false; it = y; y = NONE }
			keep(it)
		:: else -> y = NONE
		fi
	od
}
#endif

#ifdef CLOSER
proctype Closer(byte me) {
	LOCALS;
	if
	:: calm
	:: true -> close()
	fi
}
#endif

#if defined(PATROL) || defined(LONG)
proctype Patrol(byte me) {
	LOCALS;
	do
	:: calm -> break
	:: !calm -> patrol()
	od
}
#endif

#ifdef LIVENESS
proctype Clock() {
	do
	:: atomic { IN_LINE(0) && !((old >> line[0]) & 1) -> old = old | BIT(line[0]) }
	od
}
#endif

/* ======== At rest: nobody can move, and nobody new arrives ======== */

inline checkRest() {
	assert(!mu);
#ifdef SLEEPERS
	/* The waking one, did it wake, would serve the next. */
	assert(!(SOME_IDLE && IN_LINE(0)) || waking > 0);
#else
	assert(!(SOME_IDLE && IN_LINE(0)));        /* no wake-up was lost */
#ifndef HOLDERS
	assert(!IN_LINE(0) && late == NONE && waking == 0 && reserved == 0);
	x = 1;
	do
	:: x <= ALL ->
		assert(owner[x] == NONE);
		if
		:: state[x] == Removed || x > added -> assert(PLACES_WITH(x) == 0)
		:: else -> assert(state[x] == Idle && PLACES_WITH(x) == 1 && IN(home[x], x));
#if KEEPERS > 0
			assert(!wantedOut[x])
#else
			skip
#endif
		fi;
		x++
	:: else -> break
	od;
	x = 0;
	do
	:: x < STRIPES -> assert(n[x] == LEN(x)); items = items + n[x] + (slot[x] != NONE); x++
	:: else -> break
	od;
	assert(total == items && items == ITEMS);
	x = 1;
	do
	:: x <= BORROWERS -> assert(!queued[x] && item[x] == NONE && over[x] == 0 && longer[x] == 0); x++
	:: else -> break
	od
#endif
#endif
}

init {
	byte x = 1;
	byte items;
	atomic {
		do
		:: x <= ITEMS ->
			state[x] = Idle;
			if
			:: home[x] = 0
#if STRIPES > 1
			:: home[x] = 1
#endif
			fi;
			if
			:: slot[home[x]] == NONE -> slot[home[x]] = x
			:: else -> stack[home[x]] = stack[home[x]] | BIT(x)
			fi;
			x++
		:: else -> break
		od;
		n[0] = LEN(0);
#if STRIPES > 1
		n[1] = LEN(1);
#endif
		x = 1;
		do
		:: x <= BORROWERS -> run Borrower(x); x++
#if KEEPERS > 0
		:: x > BORROWERS && x <= BORROWERS + KEEPERS -> run Keeper(x); x++
#endif
		:: else -> break
		od;
#ifdef CLOSER
		run Closer(CLOSER_ID);
#endif
#if defined(PATROL) || defined(LONG)
		run Patrol(PATROL_ID);
#endif
#ifdef LIVENESS
		run Clock();
#endif
		x = 0
	}
#ifndef LIVENESS
	calm = true;
	timeout;
	d_step { checkRest() }
#endif
}

/* Who waits is served or sent away in the end. Borrowers are alike, so it is
 * enough to watch one. */
#ifdef LIVENESS
ltl waitEnds { [] (inWait[1] -> <> !inWait[1]) }
#endif
