# cmake -DASSETS=<folder> -DCHART_JS=<file> -DOUT=<file> -P embed.cmake: page.html with its parts in
# place. @@page.css@@ is the file of that name in ASSETS; @@chart.js@@ is CHART_JS.
file(READ ${ASSETS}/page.html page)
string(REGEX MATCHALL "@@[a-z._-]+@@" places "${page}")
list(REMOVE_ITEM places "@@data@@")  # put in by the command itself, for each trace
foreach(place ${places})
  string(REPLACE "@@" "" name ${place})
  if(name STREQUAL "chart.js")
    set(file ${CHART_JS})
  else()
    set(file ${ASSETS}/${name})
  endif()
  file(READ ${file} text)
  if(text MATCHES "</(script|style)|<!--|@@")
    message(FATAL_ERROR "${file} has text in it that would end its place in page.html")
  endif()
  string(REPLACE "${place}" "${text}" page "${page}")
endforeach()
file(WRITE ${OUT} "${page}")
