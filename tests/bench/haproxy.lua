-- What HAProxy's Lua would be in place of SPOE (tests/bench/fronts compares both): it asks the line protocol for each client, over a
-- connection of its own, and admits whatever else is answered than a 451 or 421.
core.register_action("penstock", { "tcp-req" }, function(txn)
	local ask = core.tcp()
	ask:settimeout(1)
	if ask:connect("127.0.0.1", 9833) and ask:send("connect " .. txn.f:src() .. " " .. txn.f:src_port() .. "\n") then
		local reply = ask:receive("*l")
		if reply and (reply:match("^451 ") or reply:match("^421 ")) then
			txn:set_var("sess.penstock.defer", true)
		end
	end
	ask:close()
end)
