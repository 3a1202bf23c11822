# How long to wait for an acknowledgement: RFC 6298 with Karn's rule, bounds of PROTOCOL.md section 5. Microseconds.

from libc.stdint cimport int64_t, uint8_t

cdef enum:
    TIME_OUT_FIRST_US = 200_000
    TIME_OUT_MIN_US = 25_000
    TIME_OUT_MAX_US = 2_000_000
    EXPIRIES_MAX = 5

cdef struct Timer:
    int64_t smoothed_us         # 0: nothing measured yet
    int64_t variation_us
    int64_t time_out_us
    int64_t expires_us          # 0: not running
    int64_t sampled_us          # when the measured frame was sent; 0: none is measured
    uint8_t sampled             # its N(S)
    int expiries                # in a row


cdef inline void timer_reset(Timer* timer) noexcept nogil:
    timer.smoothed_us = timer.variation_us = timer.expires_us = timer.sampled_us = 0
    timer.time_out_us = TIME_OUT_FIRST_US
    timer.expiries = 0


cdef inline void timer_measured(Timer* timer, int64_t round_trip_us) noexcept nogil:
    """RFC 6298 2.2 and 2.3: alpha 1/8, beta 1/4, K 4."""
    cdef int64_t off_us
    if timer.smoothed_us == 0:
        timer.smoothed_us = max(round_trip_us, 1)
        timer.variation_us = round_trip_us // 2
    else:
        off_us = timer.smoothed_us - round_trip_us
        timer.variation_us += ((off_us if off_us >= 0 else -off_us) - timer.variation_us) // 4
        timer.smoothed_us = max(timer.smoothed_us - off_us // 8, 1)
    timer.time_out_us = timer.smoothed_us + 4 * timer.variation_us
    timer.time_out_us = min(max(timer.time_out_us, TIME_OUT_MIN_US), TIME_OUT_MAX_US)


cdef inline void timer_start(Timer* timer, int64_t now_us) noexcept nogil:
    timer.expires_us = now_us + timer.time_out_us


cdef inline void timer_back_off(Timer* timer) noexcept nogil:
    """RFC 6298 5.5; what is on its way is not measured any more (Karn)."""
    timer.expiries += 1
    timer.sampled_us = 0
    timer.time_out_us = min(timer.time_out_us * 2, TIME_OUT_MAX_US)
