# Removes one server: its processes, its shared memory and its folder.
#
# Run with the folder as the only argument. It first waits for the end of its
# standard input. For the keeper that is a pipe whose other end only the owner
# of the server holds, so the wait ends when the owner closes the server or is
# no more, whatever it died of.

folder=$1
data=$folder/data
read -r _

# The rule is that of serverPids: the data folder is the working directory, and
# the program is one of the servers'.
pids() {
    for proc in /proc/[0-9]*; do
        [ "$proc/cwd" -ef "$data" ] || continue
        exe=$(readlink "$proc/exe") || continue
        exe=${exe% (deleted)}
        case ${exe##*/} in
            postgres|initdb|mariadbd|mysqld|pgbouncer) echo "${proc#/proc/}" ;;
        esac
    done
}

# The servers that initdb runs have POSIX shared memory, which outlives them
# when they are killed. Its files are among those they have mapped or, for a
# moment, only opened.
posix_memory() {
    for pid in "$@"; do
        cat "/proc/$pid/maps"
        readlink "/proc/$pid/fd/"*
    done | sed -n 's|^.*\(/dev/shm/PostgreSQL\.[0-9]*\)$|\1|p'
}

# A PostgreSQL that was killed leaves a System V segment behind. Its number is
# the second word of line 7 of postmaster.pid; the creator's pid in line 1 tells
# it from another segment that has been given the same number since (with a
# minus sign if it was no full server yet).
remove_segment() {
    [ -f "$data/postmaster.pid" ] || return
    { read -r creator; read -r _; read -r _; read -r _; read -r _; read -r _; read -r _ segment; } <"$data/postmaster.pid"
    [ -n "$segment" ] || return
    while read -r _ id _ _ cpid _; do
        [ "$id $cpid" = "$segment ${creator#-}" ] && ipcrm -m "$id"
    done </proc/sysvipc/shm
}

for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    left=$(pids)
    if [ -n "$left" ]; then
        kill -STOP $left 2>/dev/null # lest they open more
        files=$(posix_memory $left 2>/dev/null)
        kill -KILL $left 2>/dev/null
        rm -f $files
        sleep 0.05
        continue
    fi
    remove_segment
    # Fails while a program that is not the server's still writes into it.
    rm -rf "$folder" && exit 0
    sleep 0.2
done
echo "could not remove $folder; processes left: ${left:-none}" >&2
exit 1
