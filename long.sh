#!/bin/sh
trap "echo term; exit 0" TERM
echo up
sleep 600 & wait
