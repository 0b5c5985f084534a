#!/bin/sh
set -eu
[ -e notes.db ] || sqlite3 notes.db "CREATE TABLE notes (text TEXT)"
exec notes "$@"
