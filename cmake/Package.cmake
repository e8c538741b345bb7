# What is installed, and where: `cmake --install`, the Debian package and with it the image have this one layout.
# Programs find unwind.protoset above their own folder, so a link leads from there to where data belongs.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON) # ./run package builds what is installed, not the tests
set(CMAKE_INSTALL_PREFIX /usr)            # as the units and images say
set(programs libexec/unwind)
set(data share/unwind)
set(units lib/systemd/system)

install(TARGETS orchestrator order_svc stock_svc payment_svc coupon_svc wallet_svc mock_pg RUNTIME DESTINATION ${programs}/bin)
install(TARGETS sagactl RUNTIME DESTINATION bin)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/package)
file(CREATE_LINK ../../share/unwind/unwind.protoset ${CMAKE_BINARY_DIR}/package/unwind.protoset SYMBOLIC)
install(FILES ${CMAKE_BINARY_DIR}/package/unwind.protoset DESTINATION ${programs})
install(FILES ${CMAKE_BINARY_DIR}/unwind.protoset ${CMAKE_BINARY_DIR}/openapi.json ${CMAKE_BINARY_DIR}/openapi_admin.json
        DESTINATION ${data})
install(DIRECTORY console orchestrator/sagas DESTINATION ${data})
install(DIRECTORY gateway DESTINATION ${data} FILES_MATCHING PATTERN *.yaml)
install(PROGRAMS gateway/start.py DESTINATION ${data}/gateway)
install(DIRECTORY k8s/alerts k8s/dashboards DESTINATION ${data} FILES_MATCHING PATTERN *.yaml PATTERN *.json
        PATTERN source EXCLUDE PATTERN kustomization.yaml EXCLUDE)
install(FILES packaging/deb/copyright CHANGELOG.md DESTINATION share/doc/unwind)

install(DIRECTORY packaging/etc/ DESTINATION /etc/unwind)
install(FILES policy/shop.yaml DESTINATION /etc/unwind RENAME policy.yaml)

# unwind_unit(name description memory): the unit of a program; memory is its hard limit (README.md, "Memory").
function(unwind_unit name description memory)
  string(REPLACE _ - unit unwind-${name}.service)
  set(type exec)
  set(subcommand "")
  set(restart on-failure)
  set(install "\n[Install]\nWantedBy=multi-user.target\n")
  configure_file(packaging/program.service.in ${CMAKE_BINARY_DIR}/package/${unit} @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/package/${unit} DESTINATION ${units})
endfunction()
# unwind_task(name task description memory): the unit of a subcommand, which packaging/unwind-NAME-TASK.timer starts.
function(unwind_task name task description memory)
  string(REPLACE _ - unit unwind-${name}-${task})
  set(type oneshot)
  set(subcommand " ${task}")
  set(restart no)
  set(install "")
  configure_file(packaging/program.service.in ${CMAKE_BINARY_DIR}/package/${unit}.service @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/package/${unit}.service packaging/${unit}.timer DESTINATION ${units})
endfunction()
unwind_unit(orchestrator "saga orchestrator" 3584M)
unwind_unit(order_svc "orders, carts and notifications" 2304M)
unwind_unit(stock_svc "stock" 2304M)
unwind_unit(payment_svc "payments" 2304M)
unwind_task(payment_svc reconcile "comparison of the payments with the payment gateway" 2304M)
unwind_unit(coupon_svc "coupons" 2304M)
unwind_unit(wallet_svc "wallets" 2304M)
unwind_unit(mock_pg "payment gateway for tests" 1536M)
install(FILES packaging/unwind-gateway.service DESTINATION ${units})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME unwind)
set(CPACK_PACKAGE_CONTACT "Unwind <unwind@shop.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "saga orchestrator for gRPC services, with a shop that runs on it")
set(CPACK_PACKAGE_DESCRIPTION
    "Serves sagas from definition files as typed gRPC methods: stores each transition before it acts on it, and calls the
compensations in reverse when a step fails. With it come the services of a shop, the operators' command line, a console
and a REST gateway's configuration.")
set(CPACK_SET_DESTDIR ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "python3, python3-yaml")  # the REST gateway's start.py
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "postgresql, prometheus")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
file(GLOB settings CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/packaging/etc ${CMAKE_SOURCE_DIR}/packaging/etc/*)
list(TRANSFORM settings PREPEND /etc/unwind/)
list(JOIN settings "\n" settings)
file(WRITE ${CMAKE_BINARY_DIR}/package/conffiles "${settings}\n/etc/unwind/policy.yaml\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_BINARY_DIR}/package/conffiles ${CMAKE_SOURCE_DIR}/packaging/deb/postinst
    ${CMAKE_SOURCE_DIR}/packaging/deb/prerm ${CMAKE_SOURCE_DIR}/packaging/deb/postrm)
include(CPack)
